import type { MessageGroup, OutboxRow, StreamId } from "./message.js";
import { streamKeyOf } from "./message.js";

/** Groups of one stream that are on their way. */
export interface Taken {
  readonly stream: StreamId;
  readonly key: string;
  /** In order. */
  readonly groups: readonly MessageGroup[];
}

interface Group extends MessageGroup {
  ids: string[];
  hasContent: boolean;
  traceparent: string | null;
}

interface Stream {
  readonly id: StreamId;
  readonly key: string;
  groups: Map<string, Group>;
  rowCount: number;
  /** What was taken and is not settled; no more is taken until it is. */
  taken: readonly Group[] | undefined;
  /** Taken one group at a time, in a call of its own. */
  isAlone: boolean;
}

/** A row that was found in a table, beside those that memory knows. */
export interface NewerRow {
  readonly id: string;
  readonly has_content: boolean;
  readonly traceparent: string | null;
}

/** How much {@link MessageQueue.take} takes. */
export interface TakeLimits {
  readonly batchMax: number;
  readonly streamBatchMax: number;
}

/**
 * Rows in memory, as streams of messages. Rows of one object coalesce while they wait: the newest content at the place
 * of the oldest. What is on its way is not added to: a row that comes meanwhile is a message of its own, after it.
 *
 * Pure: no clock, no I/O.
 */
export class MessageQueue {
  private readonly streams = new Map<string, Stream>();
  /** Per destination, the streams that have something to take, longest waiting first. */
  private readonly ready = new Map<string, Set<Stream>>();
  /** Per destination, its rows. */
  private readonly rows = new Map<string, number>();
  private total = 0;

  /** Rows that wait or are on their way. */
  get rowCount(): number {
    return this.total;
  }

  /** Those of one destination. */
  rowsOf(destination: string): number {
    return this.rows.get(destination) ?? 0;
  }

  /** The destination with the most rows; undefined when there are none. */
  findBusiest(): string | undefined {
    let busiest: string | undefined;
    for (const [destination, count] of this.rows) {
      if (busiest === undefined || count > this.rowsOf(busiest)) busiest = destination;
    }
    return busiest;
  }

  /** Adds a row; those of one stream in ascending order of id. */
  add(lane: number, row: OutboxRow): void {
    const id = { destination: row.destination, scope: row.scope, shardId: row.shard_id, lane };
    const stream = this.open(id);
    const key = `${row.category}/${row.object_id}`;
    const group = stream.groups.get(key);
    if (group === undefined) {
      stream.groups.set(key, {
        category: row.category,
        objectId: row.object_id,
        ids: [row.id],
        hasContent: row.has_content,
        traceparent: row.traceparent,
        createdMs: row.created_ms,
      });
    } else {
      group.ids.push(row.id);
      group.hasContent = row.has_content;
      group.traceparent = row.traceparent ?? group.traceparent;
    }
    this.count(stream, 1);
    this.markReady(stream);
  }

  /** Destinations with something to take. */
  readyDestinations(): string[] {
    return [...this.ready.keys()];
  }

  /** Whether a destination has something to take. */
  isReady(destination: string): boolean {
    return this.ready.has(destination);
  }

  /** Takes messages of one destination, the longest waiting streams first; each is settled by {@link settle}. */
  take(destination: string, limits: TakeLimits): Taken[] {
    const taken: Taken[] = [];
    let messages = 0;
    for (const stream of this.ready.get(destination) ?? []) {
      if (messages >= limits.batchMax || (stream.isAlone && taken.length > 0)) break;
      const max = stream.isAlone ? 1 : Math.min(limits.streamBatchMax, limits.batchMax - messages);
      const groups = takeFirst(stream.groups, max);
      stream.taken = groups;
      this.unmarkReady(stream);
      taken.push({ stream: stream.id, key: stream.key, groups });
      messages += groups.length;
      if (stream.isAlone) break;
    }
    return taken;
  }

  /** Ends what was taken of a stream: its first `done` groups are forgotten, the others wait again, in their place. */
  settle(key: string, done: number): void {
    const stream = this.streams.get(key);
    if (stream?.taken === undefined) return;
    const gone = stream.taken.slice(0, done).reduce((sum, group) => sum + group.ids.length, 0);
    const back = stream.taken.slice(done);
    stream.taken = undefined;
    this.count(stream, -gone);
    if (back.length > 0) stream.groups = putBefore(back, stream.groups);
    if (stream.groups.size === 0) this.streams.delete(key);
    else this.markReady(stream);
  }

  /**
   * Adds rows to a taken group before it is sent: those that have come of its object meanwhile, and those of `rows` that
   * memory does not know. Both are newer than the group's own.
   *
   * @returns those of `rows` that were added.
   */
  extend<Row extends NewerRow>(key: string, index: number, rows: readonly Row[]): Row[] {
    const stream = this.streams.get(key);
    const group = stream?.taken?.[index];
    if (stream === undefined || group === undefined) return [];
    const object = `${group.category}/${group.objectId}`;
    const waiting = stream.groups.get(object);
    if (waiting !== undefined) {
      stream.groups.delete(object);
      join(group, waiting);
    }
    if (rows.length === 0) return [];
    const known = new Set(group.ids);
    const added = rows.filter((row) => !known.has(row.id));
    for (const row of added) group.ids.push(row.id);
    group.ids.sort((one, other) => (BigInt(one) < BigInt(other) ? -1 : 1));
    const newest = added.find((row) => row.id === group.ids.at(-1));
    if (newest !== undefined) join(group, { ids: [], hasContent: newest.has_content, traceparent: newest.traceparent });
    this.count(stream, added.length);
    return added;
  }

  /** From now on the stream's messages travel one by one, each in a call of its own; or no longer. */
  setAlone(key: string, isAlone: boolean): void {
    const stream = this.streams.get(key);
    if (stream !== undefined) stream.isAlone = isAlone;
  }

  /** See {@link setAlone}. */
  isAlone(key: string): boolean {
    return this.streams.get(key)?.isAlone === true;
  }

  /** Whether the stream has rows here. */
  has(key: string): boolean {
    return this.streams.has(key);
  }

  /** Forgets a stream and gives the ids of all its rows, those on their way included. */
  remove(key: string): string[] {
    const stream = this.streams.get(key);
    if (stream === undefined) return [];
    this.unmarkReady(stream);
    this.streams.delete(key);
    this.count(stream, -stream.rowCount);
    return [...(stream.taken ?? []), ...stream.groups.values()].flatMap((group) => group.ids);
  }

  /** Streams that `select` selects, of which nothing is on its way. */
  find(select: (stream: StreamId, rowCount: number) => boolean): { key: string; id: StreamId }[] {
    const found: { key: string; id: StreamId }[] = [];
    for (const stream of this.streams.values()) {
      if (stream.taken === undefined && select(stream.id, stream.rowCount)) found.push(stream);
    }
    return found;
  }

  private open(id: StreamId): Stream {
    const key = streamKeyOf(id);
    let stream = this.streams.get(key);
    if (stream === undefined) {
      stream = { id, key, groups: new Map(), rowCount: 0, taken: undefined, isAlone: false };
      this.streams.set(key, stream);
    }
    return stream;
  }

  private count(stream: Stream, change: number): void {
    const { destination } = stream.id;
    stream.rowCount += change;
    this.total += change;
    const left = this.rowsOf(destination) + change;
    if (left === 0) this.rows.delete(destination);
    else this.rows.set(destination, left);
  }

  private markReady(stream: Stream): void {
    if (stream.taken !== undefined) return;
    const { destination } = stream.id;
    const streams = this.ready.get(destination);
    if (streams === undefined) this.ready.set(destination, new Set([stream]));
    else streams.add(stream);
  }

  private unmarkReady(stream: Stream): void {
    const streams = this.ready.get(stream.id.destination);
    streams?.delete(stream);
    if (streams?.size === 0) this.ready.delete(stream.id.destination);
  }
}

function takeFirst(groups: Map<string, Group>, max: number): Group[] {
  const taken: Group[] = [];
  for (const [key, group] of groups) {
    if (taken.length >= max) break;
    groups.delete(key);
    taken.push(group);
  }
  return taken;
}

/** Adds newer rows of the same object. */
function join(group: Group, newer: Pick<Group, "ids" | "hasContent" | "traceparent">): void {
  for (const id of newer.ids) group.ids.push(id);
  group.hasContent = newer.hasContent;
  group.traceparent = newer.traceparent ?? group.traceparent;
}

/** What comes back stands where it stood; what has come of the same object meanwhile joins it there. */
function putBefore(back: readonly Group[], waiting: Map<string, Group>): Map<string, Group> {
  const merged = new Map<string, Group>();
  for (const group of back) {
    const key = `${group.category}/${group.objectId}`;
    const newer = waiting.get(key);
    if (newer !== undefined) join(group, newer);
    merged.set(key, group);
  }
  for (const [key, group] of waiting) if (!merged.has(key)) merged.set(key, group);
  return merged;
}
