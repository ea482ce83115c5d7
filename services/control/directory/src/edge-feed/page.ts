import type { SiloDatabase } from "@cellway/database";
import { type RouteFeed } from "../feed/route-feed.js";
import {
  EDGE_TABLES,
  type EdgeFeedKind,
  type EdgeMappingRow,
  listChangedEdgeMappings,
  measureEdgeRange,
  scanEdgeMappings,
} from "../store/edge-mapping.js";
import { readRouteLog, renewFeedId } from "../store/route-log.js";
import { type EdgeCursor, type EdgeReplay, type EdgeScan, formatEdgeFilter, type ParsedEdgeCursor } from "./cursor.js";

/** Changes that one page is about at most; what they lead to may need several pages. */
const CHANGES_MAX = 10_000;

/** A page of the edge feed. */
export interface EdgePage {
  readonly rows: readonly EdgeMappingRow[];
  /** Where the next page begins. */
  readonly cursor: EdgeCursor;
  /** Whether there is more to read at once. */
  readonly hasMore: boolean;
  /** What the page is of, for the metric. */
  readonly step: "snapshot" | "resync" | "changes";
  /** Why all is told again to a reader that has routes already; undefined when it is not. */
  readonly resyncWhy?: string;
}

/** What is asked for. */
export interface EdgePageRequest {
  readonly feed: RouteFeed;
  readonly database: SiloDatabase;
  readonly kind: EdgeFeedKind;
  /** Null for all. */
  readonly localities: readonly string[] | null;
  /** Undefined for a reader that has nothing yet. */
  readonly cursor: Exclude<ParsedEdgeCursor, "invalid"> | undefined;
  /** Rows of the page. */
  readonly limit: number;
}

/**
 * Reads a page. A reader that goes on while there is more, and comes back with the last cursor, knows at the end of each
 * load everything that was committed before it began; what was committed late comes late, and nothing is left out.
 */
export async function readEdgePage(request: EdgePageRequest): Promise<EdgePage> {
  const { feed, cursor } = request;
  await feed.catchUp();
  if (cursor === undefined) return beginScan(request, undefined);
  const why = await whyResync(request, cursor);
  if (why !== undefined || cursor === "foreign") return beginScan(request, why ?? "");
  return cursor.rest?.step === "scan" ? scan(request, cursor, cursor.rest) : replay(request, cursor);
}

/** Why a cursor cannot be gone on from; undefined when it can. */
async function whyResync({ feed, database, kind, localities }: EdgePageRequest, cursor: EdgeCursor | "foreign") {
  if (cursor === "foreign") return "the cursor is none of this feed's";
  if (cursor.filter !== formatEdgeFilter(kind, localities)) return "the cursor is of other localities or another feed";
  const log = await readRouteLog(database);
  if (cursor.feedId !== log.feed_id) {
    feed.renew(log.feed_id);
    await feed.catchUp();
    return "the cursor is of another feed";
  }
  if (BigInt(cursor.settledId) <= BigInt(log.last_id)) return undefined;
  // Nothing but a database that was put back can have forgotten what a reader was told.
  await renewFeedId(database, log.feed_id);
  feed.renew("");
  await feed.catchUp();
  return "the cursor is ahead of the log";
}

function positionOf({ feed }: EdgePageRequest) {
  if (feed.position === undefined) throw new Error("the feed has no position after it was read");
  return feed.position;
}

async function beginScan(request: EdgePageRequest, resyncWhy: string | undefined): Promise<EdgePage> {
  const { feedId, settledId, newestId } = positionOf(request);
  const filter = formatEdgeFilter(request.kind, request.localities);
  const table = EDGE_TABLES[request.kind][0];
  const start: EdgeScan = { step: "scan", isResync: resyncWhy !== undefined, table, after: null, readId: newestId };
  const page = await scan(request, { feedId, filter, settledId }, start);
  return resyncWhy === undefined ? page : { ...page, resyncWhy };
}

async function scan(request: EdgePageRequest, cursor: EdgeCursor, at: EdgeScan): Promise<EdgePage> {
  const { database, kind, limit } = request;
  const localities = at.isResync ? null : request.localities;
  const rows = await scanEdgeMappings(database, at.table, { after: at.after, localities, limit });
  const step = at.isResync ? "resync" : "snapshot";
  const base = { feedId: cursor.feedId, filter: cursor.filter, settledId: cursor.settledId };
  const goOn = (rest: EdgeScan | EdgeReplay): EdgePage => ({ rows, cursor: { ...base, rest }, hasMore: true, step });
  const last = rows.at(-1);
  if (last !== undefined && rows.length === limit) return goOn({ ...at, after: last.row_key });
  const tables: readonly EdgeScan["table"][] = EDGE_TABLES[kind];
  const next = tables[tables.indexOf(at.table) + 1];
  if (next !== undefined) return goOn({ ...at, table: next, after: null });
  const isOver = BigInt(positionOf(request).newestId) <= BigInt(at.readId);
  if (!isOver) return goOn({ step: "replay", readId: at.readId, endId: undefined });
  return { rows, cursor: base, hasMore: false, step };
}

async function replay(request: EdgePageRequest, cursor: EdgeCursor): Promise<EdgePage> {
  const { database, kind, localities, limit } = request;
  const position = positionOf(request);
  const rest = cursor.rest?.step === "replay" ? cursor.rest : undefined;
  const endId = rest?.endId ?? position.newestId;
  // Taken before the changes are read, and only as a load begins: what is committed late is after it, for the next load.
  const settledId = rest === undefined ? greaterOf(cursor.settledId, position.settledId) : cursor.settledId;
  const afterId = rest?.readId ?? cursor.settledId;
  const range = { afterId, upToId: rest?.middle?.upToId ?? endId };
  const { last_id: lastId, is_cell_moved: isCellMoved } = await measureEdgeRange(database, range, {
    localities,
    limit: CHANGES_MAX,
  });
  if (isCellMoved) return beginScan(request, "a cell has moved to another locality");
  const upToId = rest?.middle?.upToId ?? lastId ?? endId;
  const after = rest?.middle?.after ?? "";
  const rows = await listChangedEdgeMappings(database, kind, { afterId, upToId }, { after, localities, limit });
  const log = await readRouteLog(database);
  if (BigInt(log.pruned_id) > BigInt(afterId)) return beginScan(request, "the cursor is older than the log");
  const base = { feedId: cursor.feedId, filter: cursor.filter, settledId };
  const goOn = (next: EdgeReplay): EdgePage => {
    return { rows, cursor: { ...base, rest: next }, hasMore: true, step: "changes" };
  };
  const last = rows.at(-1);
  if (last !== undefined && rows.length === limit)
    return goOn({ step: "replay", readId: afterId, endId, middle: { upToId, after: last.row_key } });
  if (BigInt(upToId) < BigInt(endId)) return goOn({ step: "replay", readId: upToId, endId });
  return { rows, cursor: base, hasMore: false, step: "changes" };
}

function greaterOf(one: string, other: string): string {
  return BigInt(one) > BigInt(other) ? one : other;
}
