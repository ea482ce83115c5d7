import { Acknowledgements } from "./acknowledgements.js";
import { Destinations } from "./destinations.js";
import { HeldStreams } from "./held-streams.js";
import { Holding } from "./holding.js";
import { type OutboxRow, type StreamId, streamKeyOf } from "./message.js";
import { MessageQueue } from "./message-queue.js";
import type { PumpOptions } from "./pump-options.js";
import { Sender } from "./sender.js";
import type { Fence, Pause } from "./store.js";

/** How often pauses and what an operator asked for are looked at. */
const REFRESH_MS = 500;
/** How often held streams are looked at. */
const HELD_POLL_MS = 10;

/** What a session needs beside what the pump has. */
export interface SessionOptions extends PumpOptions {
  readonly fence: Fence;
  /** Until when this process surely owns the outbox, on the monotonic clock. */
  readonly ownedUntilMs: () => number;
}

/**
 * One ownership of an outbox: reads rows as they are committed, delivers them, deletes what was delivered. It knows every
 * row that it has read, so it never reads one twice; when it ends, whatever the reason, the next one begins at the first row.
 */
export class Session {
  private readonly hot = new MessageQueue();
  private readonly beside = new MessageQueue();
  private readonly now = () => performance.now();
  private readonly held = new HeldStreams(this.now);
  private readonly destinations: Destinations;
  private readonly acknowledgements: Acknowledgements;
  private readonly holding: Holding;
  private readonly ending = new AbortController();
  private readonly sender: Sender;
  private wakeUp: (() => void) | undefined;
  private isWoken = false;
  /** Nothing is read until something that is in memory is delivered. */
  private isFull = false;
  private failure: Error | undefined;

  constructor(private readonly options: SessionOptions) {
    const { store, fence, limits, sources } = options;
    this.destinations = new Destinations(limits, this.now);
    this.acknowledgements = new Acknowledgements(store, fence, {
      deleted: (ids) => {
        options.onDelivered(ids);
        if (this.isFull && this.hot.rowCount < limits.rowsMax) this.wake();
        this.sender.dispatch();
      },
      error: (error) => this.end(error),
    });
    this.holding = new Holding({
      store,
      fence,
      limits,
      hot: this.hot,
      beside: this.beside,
      held: this.held,
      destinations: this.destinations,
      acknowledgements: this.acknowledgements,
      attemptsMaxOf: (category) => sources.get(category)?.category.attemptsMax ?? Number.POSITIVE_INFINITY,
      onParked: (group, stream, error) => {
        this.sender.hasParked = true;
        options.onParked(group, stream, error);
      },
    });
    this.sender = new Sender({
      options,
      hot: this.hot,
      beside: this.beside,
      held: this.held,
      destinations: this.destinations,
      acknowledgements: this.acknowledgements,
      holding: this.holding,
      ownedUntilMs: options.ownedUntilMs,
      ended: this.ending.signal,
      end: (failure) => this.end(failure),
    });
  }

  /** Delivers until {@link end}; then waits for what is under way. Rejects with what ended it, if that was an error. */
  async run(): Promise<void> {
    try {
      await this.restore();
      await Promise.all(
        [this.fetchLoop(), this.heldLoop()].map((loop) => loop.catch((error: unknown) => this.end(error))),
      );
    } catch (error) {
      this.end(error);
    }
    await Promise.all([this.sender.settled(), this.acknowledgements.settled()]);
    if (this.failure !== undefined) throw this.failure;
  }

  /** Ends the session; calls under way are given up. */
  end(failure?: unknown): void {
    if (this.ending.signal.aborted) return;
    if (failure !== undefined)
      this.failure = failure instanceof Error ? failure : new Error("The session ended.", { cause: failure });
    this.ending.abort(failure);
    this.wake();
  }

  /** Aborts when the session ends. */
  get ended(): AbortSignal {
    return this.ending.signal;
  }

  /** There may be something new. */
  wake(): void {
    this.isWoken = true;
    this.wakeUp?.();
  }

  /** What is where, for gauges. */
  describe(): { readonly rows: number; readonly heldStreams: number } {
    return { rows: this.hot.rowCount, heldStreams: this.held.size };
  }

  private async restore(): Promise<void> {
    for (const { state, attempts, error, waitMs, ...id } of await this.options.store.listStreams()) {
      this.held.hold(id, { state, attempts, error, waitMs });
    }
    this.sender.hasParked = await this.options.store.hasParked();
    await this.refresh();
  }

  private async fetchLoop(): Promise<void> {
    const { limits } = this.options;
    const tail = this.options.store.follow();
    while (!this.ending.signal.aborted) {
      this.isWoken = false;
      this.isFull = this.hot.rowCount >= limits.rowsMax && !this.makeRoom();
      if (this.isFull) {
        await this.idle(limits.pollMs);
        continue;
      }
      const rows = await tail.next(limits.fetchMax);
      this.sender.isBehind = !tail.isAtEnd;
      if (tail.isAtEnd && tail.missing === 0) this.sender.forgetClaims(BigInt(tail.settledId));
      this.sort(rows);
      this.sender.dispatch();
      if (!this.sender.isBehind)
        await this.idle(this.options.isNotified() ? limits.pollMs : limits.pollWithoutNotifyMs);
    }
  }

  /** Each row to where its stream is. */
  private sort(rows: readonly OutboxRow[]): void {
    const following = new Map<string, { id: StreamId; ids: string[] }>();
    for (const row of rows) {
      if (this.sender.claimed.delete(row.id)) continue;
      const lane = this.options.sources.get(row.category)?.category.lane ?? row.category;
      const id = { destination: row.destination, scope: row.scope, shardId: row.shard_id, lane };
      const key = streamKeyOf(id);
      if (!this.holding.mustHold(id, key)) {
        this.hot.add(lane, row);
        continue;
      }
      const known = following.get(key);
      if (known === undefined) following.set(key, { id, ids: [row.id] });
      else known.ids.push(row.id);
    }
    for (const [key, { id, ids }] of following) this.holding.follow(id, key, ids);
  }

  private async heldLoop(): Promise<void> {
    let refreshAt = this.now() + REFRESH_MS;
    while (!this.ending.signal.aborted) {
      await this.holding.makeMoves();
      await this.holding.loadDue();
      if (this.now() >= refreshAt) {
        await this.refresh();
        refreshAt = this.now() + REFRESH_MS;
      }
      this.sender.dispatch();
      await pause(this.held.size > 0 ? HELD_POLL_MS : HELD_POLL_MS * 5, this.ending.signal);
    }
  }

  /** Takes over what operators have asked for meanwhile. */
  private async refresh(): Promise<void> {
    const { store, sources } = this.options;
    const toLane = (pause: Pause): Pause =>
      pause.category === null
        ? pause
        : { ...pause, category: sources.get(pause.category)?.category.lane ?? pause.category };
    this.holding.pauses = (await store.listPauses()).map(toLane);
    this.held.applyPauses(this.holding.pauses);
    for (const { key, id } of this.hot.find((stream) => this.holding.isPaused(stream))) {
      this.holding.divert(key, id, { state: "PAUSED", attempts: 0, error: "", waitMs: Number.POSITIVE_INFINITY });
    }
    for (const id of await store.listRetried()) {
      const stream = this.held.get(streamKeyOf(id));
      if (stream?.state === "BACKING_OFF") stream.nextAtMs = 0;
    }
  }

  /** When memory is full: streams that cannot flow now, then very deep ones, give their place to others. */
  private makeRoom(): boolean {
    const { limits, severalDestinations } = this.options;
    if (!severalDestinations && this.hot.readyDestinations().every((name) => this.destinations.isAway(name)))
      return false;
    const away = severalDestinations ? this.hot.find((stream) => this.destinations.isAway(stream.destination)) : [];
    for (const { key, id } of away) this.holding.divert(key, id, { state: "AWAY", attempts: 0, error: "", waitMs: 0 });
    if (away.length > 0) return true;
    const deep = this.hot.find((_stream, rowCount) => rowCount >= limits.deepMin);
    for (const { key, id } of deep) this.holding.divert(key, id, { state: "SLOW", attempts: 0, error: "", waitMs: 0 });
    return deep.length > 0;
  }

  private async idle(ms: number): Promise<void> {
    if (this.isWoken || this.ending.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.wakeUp = undefined;
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
    signal.addEventListener("abort", done);
  });
}
