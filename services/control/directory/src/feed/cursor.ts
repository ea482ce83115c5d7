import { createHash } from "node:crypto";
import type { FeedPosition } from "./route-feed.js";

/** Where a consumer stood, and what it watched. */
export interface Cursor {
  readonly feedId: string;
  readonly settledId: string;
  /** Stands for the localities. */
  readonly filter: string;
}

/** The cursor after everything up to a position was sent. */
export function formatCursor(
  { feedId, settledId }: Pick<FeedPosition, "feedId" | "settledId">,
  localities: readonly string[],
): string {
  return Buffer.from(`${feedId} ${settledId} ${formatFilter(localities)}`).toString("base64url");
}

/** The cursor of this text; undefined when {@link formatCursor} did not make it. */
export function parseCursor(text: string): Cursor | undefined {
  const match = /^([0-9a-f-]{36}) (\d{1,18}) ([0-9a-f]{16})$/.exec(Buffer.from(text, "base64url").toString("latin1"));
  const [, feedId, settledId, filter] = match ?? [];
  if (feedId === undefined || settledId === undefined || filter === undefined) return undefined;
  return { feedId, settledId, filter };
}

/** Stands for a set of localities in a cursor. */
export function formatFilter(localities: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(localities.toSorted())).digest("hex").slice(0, 16);
}
