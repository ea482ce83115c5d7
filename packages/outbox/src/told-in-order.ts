import { type OutgoingMessage, streamKeyOf } from "./message.js";
import type { FakeReceiver } from "./test-receiver.js";

/** A row that was committed. */
export interface WrittenRow {
  readonly id: string;
  readonly destination: string;
  readonly shard_id: string;
  readonly category: number;
  readonly object_id: string;
  readonly text: string;
}

/** What a test has seen. */
export interface Seen {
  /** In the order of their ids. */
  readonly rows: readonly WrittenRow[];
  readonly receiver: FakeReceiver;
  /** The oldest row that each message stands for, as far as its sender knew. */
  readonly places: WeakMap<OutgoingMessage, bigint>;
}

/** What is wrong with what was received; undefined when nothing is. */
export function findFault(seen: Seen): string | undefined {
  const expected = new Map(seen.rows.map((row) => [objectOf(toObject(row)), row.text]));
  for (const [object, text] of expected) {
    const state = seen.receiver.states.get(object);
    if (state !== text) return `${object} is ${state} and should be ${text}`;
  }
  return findDisorder(seen);
}

/**
 * What was told for the first time was told in order. A message stands where the oldest row stands that its sender did
 * not know to be told, and where the oldest stands that was not told: these differ where an answer was lost.
 */
function findDisorder({ rows, receiver, places }: Seen): string | undefined {
  const told = new Map<string, bigint>();
  const last = new Map<string, bigint>();
  for (const message of receiver.received) {
    const object = objectOf(message);
    const version = BigInt(message.version);
    const before = told.get(object) ?? 0n;
    if (version <= before) continue;
    told.set(object, version);
    const untold = rows.find((row) => objectOf(toObject(row)) === object && BigInt(row.id) > before);
    const at = BigInt(untold?.id ?? 0);
    const stream = streamKeyOf(message);
    const place = last.get(stream) ?? 0n;
    if (at < place) return `${object} at ${at} came after ${place}`;
    const known = places.get(message) ?? 0n;
    if (known > place) last.set(stream, known);
  }
  return undefined;
}

type ObjectId = Pick<OutgoingMessage, "destination" | "shardId" | "category" | "objectId">;

function toObject(row: WrittenRow): ObjectId {
  return { ...row, shardId: row.shard_id, objectId: row.object_id };
}

/** The object of a message as one text. */
export function objectOf({ destination, shardId, category, objectId }: ObjectId): string {
  return `${destination}/${shardId}/${category}/${objectId}`;
}
