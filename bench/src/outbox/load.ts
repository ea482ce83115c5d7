import type { Item } from "./cellway.js";

/** Whose load it is. */
export type Kind = "cellway" | "graphile" | "pg-boss";

/** A load that comes at a steady rate. */
export interface Load {
  readonly total: number;
  /** Messages per second; Infinity as fast as it goes. */
  readonly perSecond: number;
  /** Messages in one transaction. */
  readonly batch: number;
  readonly connections: number;
  readonly shards: number;
  /** Writers meet on the same shards; else each transaction of a moment has its own. */
  readonly isScattered?: boolean;
  /** Every so many messages goes to `special` instead; 0: none. */
  readonly specialEvery: number;
  /** Where those go: a shard, or another destination. */
  readonly special: { readonly shard?: number; readonly to?: string };
}

/** Where a message of a load goes: the object is its place in the load. */
export function itemOf(load: Load, place: number): Item {
  const spread = load.isScattered === true ? Math.imul(place, 0x9e37_79b1) >>> 8 : place;
  const item = { shard: 1 + (spread % load.shards), object: place };
  return isSpecial(load, place) ? { ...item, ...load.special } : item;
}

/** Whether a message is of those that fare differently. */
export function isSpecial(load: Load, place: number): boolean {
  return load.specialEvery > 0 && place % load.specialEvery === 0;
}

/** What the thread that writes is given. */
export interface ProducerData {
  readonly kind: Kind;
  readonly url: string;
  readonly load: Load;
  /** When the statement of each message was sent, and when its commit was known; milliseconds of {@link nowMs}. */
  readonly sentAt: Float64Array;
  readonly committedAt: Float64Array;
}
