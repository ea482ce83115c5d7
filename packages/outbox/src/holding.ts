import type { Acknowledgements } from "./acknowledgements.js";
import type { Destinations } from "./destinations.js";
import { type HeldStream, type HeldStreams, selects } from "./held-streams.js";
import type { OutboxLimits } from "./limits.js";
import { isErrorOfVersion, type MessageGroup, type StreamId } from "./message.js";
import type { MessageQueue } from "./message-queue.js";
import type { Fence, HoldState, OutboxStore, Pause } from "./store.js";

/** Streams whose rows are read at once. */
const LOAD_STREAMS_MAX = 200;
/** Rows that one statement moves. */
const MOVE_MAX = 5_000;
/** Rows of each that are read at once; what coalesces beyond them is looked up. */
const LOAD_ROWS_MAX = 200;

/** What holding works with. */
export interface HoldingOptions {
  readonly store: OutboxStore;
  readonly fence: Fence;
  readonly limits: OutboxLimits;
  /** Streams that flow. */
  readonly hot: MessageQueue;
  /** Rows of held streams that were read. */
  readonly beside: MessageQueue;
  readonly held: HeldStreams;
  readonly destinations: Destinations;
  readonly acknowledgements: Acknowledgements;
  /** How often a message of the category may fail before it is parked. */
  readonly attemptsMaxOf: (category: number) => number;
  readonly onParked: (group: MessageGroup, stream: StreamId, error: string) => void;
}

/**
 * Takes streams that do not flow out of everybody's way and brings them back: their rows move to a table of their own,
 * are read from there by stream, and once none is left the stream flows again. Rows that come meanwhile follow them.
 */
export class Holding {
  private pauses: readonly Pause[] = [];
  private moves: { readonly stream: HeldStream; readonly ids: readonly string[] }[] = [];
  private released: HeldStream[] = [];
  private moving = 0;

  constructor(private readonly options: HoldingOptions) {}

  /** Rows that are to be moved. */
  get movingRows(): number {
    return this.moving;
  }

  /** Whether rows of the stream must not flow. A stream that flows is held as a whole, or its order would be lost. */
  mustHold(stream: StreamId, key: string): boolean {
    if (this.options.held.get(key) !== undefined) return true;
    return this.isPaused(stream) && !this.options.hot.has(key);
  }

  isPaused(stream: StreamId): boolean {
    return this.pauses.some((pause) => selects(pause, stream));
  }

  /** Holds a stream that flowed, with all its rows. */
  divert(key: string, id: StreamId, why: { state: HoldState; attempts: number; error: string; waitMs: number }): void {
    const stream = this.options.held.hold(id, why);
    this.move(stream, this.options.hot.remove(key));
  }

  /** Holds a stream that flowed until an operator resumes it. */
  pause(key: string, id: StreamId): void {
    this.divert(key, id, { state: "PAUSED", attempts: 0, error: "", waitMs: Number.POSITIVE_INFINITY });
  }

  /** Takes over what operators have paused and resumed. */
  async takePauses(pauses: readonly Pause[]): Promise<void> {
    const { held, hot, store, fence } = this.options;
    this.pauses = pauses;
    const changed = held.applyPauses(pauses);
    if (pauses.length > 0) {
      for (const { key, id } of hot.find((stream) => this.isPaused(stream))) this.pause(key, id);
    }
    if (changed.length === 0) return;
    await store.saveStreams(
      fence,
      changed.map((stream) => held.toRow(stream)),
    );
  }

  /** Rows of a stream that is held, or is to be because it is paused. */
  follow(id: StreamId, key: string, ids: readonly string[]): void {
    const { held } = this.options;
    const stream =
      held.get(key) ?? held.hold(id, { state: "PAUSED", attempts: 0, error: "", waitMs: Number.POSITIVE_INFINITY });
    this.move(stream, ids);
  }

  /** A message failed: the stream waits, longer each time; after too many failures the message is parked. */
  async fail(key: string, id: StreamId, group: MessageGroup, error: string): Promise<void> {
    const { held, beside, store, fence } = this.options;
    const known = held.get(key);
    if (known === undefined) {
      this.divert(key, id, { state: "BACKING_OFF", attempts: 1, error, waitMs: this.backoffMs(1) });
      return;
    }
    beside.remove(key);
    const attempts = known.attempts + 1;
    if (attempts >= this.options.attemptsMaxOf(group.category) && !isErrorOfVersion(error)) {
      await store.park(fence, group.ids, error);
      this.options.onParked(group, id, error);
      held.hold(id, { state: "SLOW", attempts: 0, error, waitMs: 0 });
    } else {
      held.hold(id, { state: "BACKING_OFF", attempts, error, waitMs: this.backoffMs(attempts) });
    }
    await store.saveStreams(fence, [held.toRow(known)]);
    // What was delivered before it must be gone before the stream is read again.
    await this.options.acknowledgements.barrier();
    known.isLoaded = false;
  }

  /** A message took too long: the stream is delivered beside the others, with more time. */
  async slow(key: string, id: StreamId, group: MessageGroup): Promise<void> {
    const known = this.options.held.get(key);
    if (known !== undefined) return this.fail(key, id, group, "UNFINISHED: it takes too long");
    this.divert(key, id, { state: "SLOW", attempts: 0, error: "", waitMs: 0 });
  }

  /** A held stream's rows in memory are delivered: there may be more. */
  async unload(key: string): Promise<void> {
    const stream = this.options.held.get(key);
    if (stream === undefined) return;
    stream.attempts = 0;
    await this.options.acknowledgements.barrier();
    stream.isLoaded = false;
  }

  /** Makes the moves that were asked for. */
  async makeMoves(): Promise<void> {
    const { store, fence, held } = this.options;
    const moves = this.moves.splice(0);
    if (moves.length === 0) return;
    // First, so that whoever comes after a crash knows of them.
    const streams = [...new Set(moves.map((move) => move.stream))];
    await store.saveStreams(
      fence,
      streams.map((stream) => held.toRow(stream)),
    );
    const rows = moves.flatMap(({ stream, ids }) => ids.map((id) => ({ id, lane: stream.id.lane })));
    for (let from = 0; from < rows.length; from += MOVE_MAX) {
      const part = rows.slice(from, from + MOVE_MAX);
      await store.hold(fence, part);
      this.moving -= part.length;
    }
    for (const { stream } of moves) stream.moving -= 1;
  }

  /** Reads rows of streams whose time has come; one that has none left flows again. */
  async loadDue(): Promise<void> {
    const { held, beside, store } = this.options;
    const due = held.listDue(LOAD_STREAMS_MAX, (name) => this.roomFor(name));
    if (due.length === 0) return;
    for (const stream of due) stream.isLoaded = true;
    const rows = await store.listHeldRows(
      due.map((stream) => stream.id),
      LOAD_ROWS_MAX,
    );
    for (const row of rows) beside.add(row.lane, row);
    for (const stream of due) {
      if (!beside.has(stream.key)) this.released.push(stream);
      else beside.setAlone(stream.key, stream.attempts > 0 || stream.state === "SLOW");
    }
    await this.releaseEmpty();
  }

  /** No destination takes the memory of the others: however full it is, each may have a stream in it. */
  private roomFor(destination: string): number {
    const { beside, destinations, limits } = this.options;
    if (destinations.isLeftAlone(destination)) return 0;
    const rows = beside.rowsOf(destination);
    if (beside.rowCount >= limits.rowsMax) return rows === 0 ? 1 : 0;
    return rows < limits.rowsMax / 4 ? LOAD_STREAMS_MAX : 0;
  }

  private async releaseEmpty(): Promise<void> {
    const { store, fence, held } = this.options;
    const empty = this.released.splice(0);
    const released = empty.filter((stream) => stream.moving === 0);
    // Rows are on their way to these: they are read next time.
    for (const stream of empty) if (stream.moving > 0) stream.isLoaded = false;
    if (released.length > 0)
      await store.releaseStreams(
        fence,
        released.map((stream) => stream.id),
      );
    for (const stream of released) {
      // Rows may have come while the statement ran: they are read next time.
      if (stream.moving === 0) held.release(stream.key);
      else stream.isLoaded = false;
    }
  }

  private move(stream: HeldStream, ids: readonly string[]): void {
    stream.moving += 1;
    this.moving += ids.length;
    this.moves.push({ stream, ids });
  }

  /** Exponential, with jitter: half of it at least. */
  private backoffMs(attempts: number): number {
    const { backoffMs, backoffMaxMs } = this.options.limits;
    return Math.min(backoffMs * 2 ** Math.min(attempts - 1, 30), backoffMaxMs) * (0.5 + Math.random() / 2);
  }
}
