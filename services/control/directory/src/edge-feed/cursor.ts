import { createHash } from "node:crypto";
import { EDGE_TABLES, type EdgeFeedKind, type EdgeTable } from "../store/edge-mapping.js";

/** Where a reader of the edge feed stands. */
export interface EdgeCursor {
  readonly feedId: string;
  /** Stands for the feed and the localities that were asked for. */
  readonly filter: string;
  /** Everything up to here was told when this load is over: where the next load begins. */
  readonly settledId: string;
  /** What is left of this load; undefined when it is over. */
  readonly rest?: EdgeScan | EdgeReplay;
}

/** Tables are being read. */
export interface EdgeScan {
  readonly step: "scan";
  /** A reader that has routes from before must also hear of what is not in its localities. */
  readonly isResync: boolean;
  readonly table: EdgeTable;
  readonly after: string | null;
  /** Changes up to here are in what is read. */
  readonly readId: string;
}

/** Changes are being read. */
export interface EdgeReplay {
  readonly step: "replay";
  /** Changes up to here were told. */
  readonly readId: string;
  /** The last change of this load; undefined: the newest when it is asked for. */
  readonly endId: string | undefined;
  /** In the middle of the changes up to here, after a row. */
  readonly middle?: { readonly upToId: string; readonly after: string };
}

/** What a text is as a cursor. `foreign`: well-formed, of somebody else's feed. */
export type ParsedEdgeCursor = EdgeCursor | "foreign" | "invalid";

const ID = /^\d{1,18}$/;
const TEXT_MAX_LENGTH = 2_000;

/**
 * Writes a cursor: base64 of JSON with `id` and `updated_at` (seconds), because Synapse's store in a bucket parses and
 * orders cursors by these two. We go by the id and by what else is in it, never by the time.
 */
export function formatEdgeCursor(cursor: EdgeCursor, updatedAtS: number): string {
  const { settledId: id, feedId: feed, filter, rest } = cursor;
  const json = { id, updated_at: updatedAtS, feed, filter, ...(rest === undefined ? {} : { rest }) };
  return Buffer.from(JSON.stringify(json)).toString("base64");
}

/** Reads a cursor, of whatever a client sends. */
export function parseEdgeCursor(text: string): ParsedEdgeCursor {
  if (text.length > TEXT_MAX_LENGTH) return "invalid";
  const json = parseObject(Buffer.from(text, "base64").toString("utf8"));
  if (json === undefined) return "invalid";
  const { id, updated_at: updatedAt, feed, filter, rest } = json;
  if (typeof id !== "string" || typeof updatedAt !== "number") return "invalid";
  if (feed === undefined) return "foreign";
  const isOurs = ID.test(id) && typeof feed === "string" && typeof filter === "string";
  if (!isOurs) return "invalid";
  const base = { feedId: feed, filter, settledId: id };
  if (rest === undefined) return base;
  const parsed = parseRest(rest);
  return parsed === undefined ? "invalid" : { ...base, rest: parsed };
}

/** Stands for a feed and localities (null: all) in a cursor. */
export function formatEdgeFilter(kind: EdgeFeedKind, localities: readonly string[] | null): string {
  const text = JSON.stringify([kind, localities?.toSorted() ?? null]);
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

function parseRest(value: unknown): EdgeScan | EdgeReplay | undefined {
  const { step, readId, isResync, table, after, endId, middle } = (value ?? {}) as Record<string, unknown>;
  if (!isId(readId)) return undefined;
  if (step === "scan") {
    const known = Object.values(EDGE_TABLES)
      .flat()
      .find((candidate) => candidate === table);
    if (known === undefined || typeof isResync !== "boolean" || !isPlace(known, after)) return undefined;
    return { step, readId, isResync, table: known, after };
  }
  if (step !== "replay" || !(endId === undefined || isId(endId))) return undefined;
  if (middle === undefined) return { step, readId, endId };
  const { upToId, after: place } = middle as Record<string, unknown>;
  return isId(upToId) && typeof place === "string"
    ? { step, readId, endId, middle: { upToId, after: place } }
    : undefined;
}

function isId(value: unknown): value is string {
  return typeof value === "string" && ID.test(value);
}

function isPlace(table: EdgeTable, after: unknown): after is string | null {
  return after === null || (table === "alias" ? typeof after === "string" : isId(after));
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
