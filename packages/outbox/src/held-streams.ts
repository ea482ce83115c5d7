import { type StreamId, streamKeyOf } from "./message.js";
import type { HeldStreamRow, HoldState, Pause } from "./store.js";

/** A stream that does not flow, as the pump sees it. */
export interface HeldStream {
  readonly id: StreamId;
  readonly key: string;
  state: HoldState;
  /** Failed deliveries of the message it is at. */
  attempts: number;
  error: string;
  /** When it is tried again, on the clock of {@link HeldStreams}; Infinity while paused. */
  nextAtMs: number;
  /** Rows that are being moved to it. */
  moving: number;
  /** Its first rows are in memory. */
  isLoaded: boolean;
}

/** Every stream that does not flow. In memory; what outlives the process is stored beside. */
export class HeldStreams {
  private readonly streams = new Map<string, HeldStream>();

  /** @param now - a clock in milliseconds that never goes back. */
  constructor(private readonly now: () => number) {}

  get size(): number {
    return this.streams.size;
  }

  get(key: string): HeldStream | undefined {
    return this.streams.get(key);
  }

  values(): IterableIterator<HeldStream> {
    return this.streams.values();
  }

  /** Holds a stream, or changes why it is held. */
  hold(id: StreamId, why: { state: HoldState; attempts: number; error: string; waitMs: number }): HeldStream {
    const key = streamKeyOf(id);
    let stream = this.streams.get(key);
    if (stream === undefined) {
      stream = { id, key, ...why, nextAtMs: 0, moving: 0, isLoaded: false };
      this.streams.set(key, stream);
    }
    stream.state = why.state;
    stream.attempts = why.attempts;
    if (why.error !== "") stream.error = why.error;
    stream.nextAtMs = this.now() + why.waitMs;
    return stream;
  }

  release(key: string): void {
    this.streams.delete(key);
  }

  /**
   * Those whose time has come, at most `limit`, those that were not given for longest first.
   *
   * @param roomFor - how many of a destination there is room for; asked once for each.
   */
  listDue(limit: number, roomFor: (destination: string) => number): HeldStream[] {
    const due: HeldStream[] = [];
    const rooms = new Map<string, number>();
    const now = this.now();
    for (const stream of this.streams.values()) {
      if (due.length >= limit) break;
      if (stream.isLoaded || stream.nextAtMs > now) continue;
      const { destination } = stream.id;
      const room = rooms.get(destination) ?? roomFor(destination);
      rooms.set(destination, room - 1);
      if (room > 0) due.push(stream);
    }
    for (const stream of due) {
      this.streams.delete(stream.key);
      this.streams.set(stream.key, stream);
    }
    return due;
  }

  /** What waited for a silo that is back is due at once. */
  wakeDestination(destination: string): void {
    for (const stream of this.streams.values()) {
      if (stream.state === "AWAY" && stream.id.destination === destination) stream.nextAtMs = 0;
    }
  }

  /**
   * What is no longer paused is due at once; what became paused waits.
   *
   * @returns those that changed.
   */
  applyPauses(pauses: readonly Pause[]): HeldStream[] {
    const changed: HeldStream[] = [];
    for (const stream of this.streams.values()) {
      const isPaused = pauses.some((pause) => selects(pause, stream.id));
      if (isPaused === (stream.state === "PAUSED")) continue;
      stream.state = isPaused ? "PAUSED" : "SLOW";
      stream.nextAtMs = isPaused ? Number.POSITIVE_INFINITY : 0;
      changed.push(stream);
    }
    return changed;
  }

  /** The stored form, for {@link HeldStreamRow}. */
  toRow(stream: HeldStream): HeldStreamRow {
    const { id, state, attempts, error, nextAtMs } = stream;
    return { ...id, state, attempts, error, waitMs: Math.max(0, nextAtMs - this.now()) };
  }
}

/** Whether a pause is about a stream. One of a category pauses the whole order that the category is part of. */
export function selects(pause: Pause, stream: StreamId): boolean {
  return (
    (pause.destination === null || pause.destination === stream.destination) &&
    (pause.scope === null || pause.scope === stream.scope) &&
    (pause.shard_id === null || pause.shard_id === stream.shardId) &&
    (pause.category === null || pause.category === stream.lane)
  );
}
