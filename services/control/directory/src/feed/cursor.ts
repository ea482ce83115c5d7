import { createHash } from "node:crypto";
import type { KeyKind } from "../store/route.js";
import type { FeedPosition } from "./route-feed.js";

/** What a consumer watches besides cells. */
export interface Watched {
  /** Empty for all. */
  readonly localities: readonly string[];
  /** Kinds of keys that it wants besides organizations, as far as this version has them. */
  readonly keys: ReadonlySet<KeyKind>;
}

/** Where a consumer stood, and what it watched. */
export interface Cursor {
  readonly feedId: string;
  readonly settledId: string;
  /** Stands for what was watched. */
  readonly filter: string;
}

/** The cursor after everything up to a position was sent. */
export function formatCursor(
  { feedId, settledId }: Pick<FeedPosition, "feedId" | "settledId">,
  watched: Watched,
): string {
  return Buffer.from(`${feedId} ${settledId} ${formatFilter(watched)}`).toString("base64url");
}

/** The cursor of this text; undefined when {@link formatCursor} did not make it. */
export function parseCursor(text: string): Cursor | undefined {
  const match = /^([0-9a-f-]{36}) (\d{1,18}) ([0-9a-f]{16})$/.exec(Buffer.from(text, "base64url").toString("latin1"));
  const [, feedId, settledId, filter] = match ?? [];
  if (feedId === undefined || settledId === undefined || filter === undefined) return undefined;
  return { feedId, settledId, filter };
}

/** Stands for what is watched in a cursor: as it always did, where that is organizations alone. */
export function formatFilter({ localities, keys }: Watched): string {
  const places = localities.toSorted();
  const text = JSON.stringify(keys.size === 0 ? places : [places, [...keys].toSorted()]);
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
