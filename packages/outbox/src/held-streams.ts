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

  /** Those whose time has come and whose rows can be read, at most `limit`. */
  listDue(limit: number, isAway: (destination: string) => boolean): HeldStream[] {
    const due: HeldStream[] = [];
    const now = this.now();
    for (const stream of this.streams.values()) {
      if (due.length >= limit) break;
      if (stream.isLoaded || stream.moving > 0 || stream.nextAtMs > now) continue;
      if (!isAway(stream.id.destination)) due.push(stream);
    }
    return due;
  }

  /** What waited for a silo that is back is due at once. */
  wakeDestination(destination: string): void {
    for (const stream of this.streams.values()) {
      if (stream.state === "AWAY" && stream.id.destination === destination) stream.nextAtMs = 0;
    }
  }

  /** What is no longer paused is due at once; what became paused waits. */
  applyPauses(pauses: readonly Pause[]): void {
    for (const stream of this.streams.values()) {
      const isPaused = pauses.some((pause) => selects(pause, stream.id));
      if (isPaused && stream.state !== "PAUSED") Object.assign(stream, { state: "PAUSED", nextAtMs: Infinity });
      else if (!isPaused && stream.state === "PAUSED") Object.assign(stream, { state: "SLOW", nextAtMs: 0 });
    }
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
