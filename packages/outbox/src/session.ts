import { Acknowledgements } from "./acknowledgements.js";
import { Claims } from "./claims.js";
import { Destinations } from "./destinations.js";
import { HeldStreams } from "./held-streams.js";
import { Holding } from "./holding.js";
import { type OutboxRow, type StreamId, streamKeyOf } from "./message.js";
import { MessageQueue } from "./message-queue.js";
import { Parked } from "./parked.js";
import type { PumpOptions } from "./pump-options.js";
import { Sender } from "./sender.js";
import type { Fence, HeldStreamRow, Pause } from "./store.js";

/** How often pauses and what an operator asked for are looked at. */
const REFRESH_MS = 500;
/** How often held streams are looked at. */
const HELD_POLL_MS = 10;
/** After how long without room in memory the destination that fills it gives its place to the others. */
const CROWDED_MS = 2_000;

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
  private readonly claims = new Claims();
  private readonly parked: Parked;
  /** Since when nothing is read until something that is in memory is delivered. */
  private fullSinceMs: number | undefined;
  private failure: Error | undefined;

  constructor(private readonly options: SessionOptions) {
    const { store, fence, limits, sources } = options;
    this.destinations = new Destinations(limits, this.now);
    this.acknowledgements = new Acknowledgements(store, fence, {
      deleted: (ids) => {
        options.onDelivered(ids);
        this.noteRoom();
        this.sender.dispatch();
      },
      error: (error) => this.end(error),
    });
    this.parked = new Parked(store, fence);
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
        this.parked.add(stream, group);
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
      parked: this.parked,
      claims: this.claims,
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
    this.wakeUp?.();
  }

  /** Aborts when the session ends. */
  get ended(): AbortSignal {
    return this.ending.signal;
  }

  /** There may be something new. */
  wake(): void {
    this.isWoken = true;
    if (this.fullSinceMs === undefined) this.wakeUp?.();
  }

  /** What is where, for gauges. */
  describe(): { readonly rows: number; readonly heldStreams: number } {
    return { rows: this.hot.rowCount, heldStreams: this.held.size };
  }

  private async restore(): Promise<void> {
    for (const { state, attempts, error, waitMs, ...id } of await this.listStreams()) {
      this.held.hold(id, { state, attempts, error, waitMs });
    }
    await this.parked.restore();
    await this.refresh();
  }

  /** What was held before categories were ordered with each other as they are now is held as they are now. */
  private async listStreams(): Promise<HeldStreamRow[]> {
    const { store, fence } = this.options;
    const streams = await store.listStreams();
    const moved = streams.filter(({ lane }) => this.laneOf(lane) !== lane);
    if (moved.length === 0) return streams;
    await store.changeLanes(
      fence,
      moved.map((stream) => ({ ...stream, newLane: this.laneOf(stream.lane) })),
    );
    return store.listStreams();
  }

  private laneOf(category: number): number {
    return this.options.sources.get(category)?.category.lane ?? category;
  }

  private async fetchLoop(): Promise<void> {
    const { limits } = this.options;
    const tail = this.options.store.follow();
    while (!this.ending.signal.aborted) {
      this.isWoken = false;
      if (this.isFull && !this.makeRoom()) {
        this.fullSinceMs ??= this.now();
        await this.idle(limits.pollMs);
        continue;
      }
      this.fullSinceMs = undefined;
      this.claims.beginReading();
      const rows = await tail.next(limits.fetchMax);
      this.sender.isBehind = !tail.isAtEnd;
      this.sort(rows);
      this.claims.endReading(tail.isAtEnd, rows.at(-1)?.id);
      this.sender.dispatch();
      if (!this.sender.isBehind)
        await this.idle(this.options.isNotified() ? limits.pollMs : limits.pollWithoutNotifyMs);
    }
  }

  /** Each row to where its stream is. */
  private sort(rows: readonly OutboxRow[]): void {
    const following = new Map<string, { id: StreamId; ids: string[] }>();
    for (const row of rows) {
      if (this.claims.take(row.id)) continue;
      const lane = this.laneOf(row.category);
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
      this.noteRoom();
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
    const { store } = this.options;
    const toLane = (pause: Pause): Pause =>
      pause.category === null ? pause : { ...pause, category: this.laneOf(pause.category) };
    await this.holding.takePauses((await store.listPauses()).map(toLane));
    for (const id of await store.listRetried()) {
      const stream = this.held.get(streamKeyOf(id));
      if (stream?.state === "BACKING_OFF") stream.nextAtMs = 0;
    }
  }

  private get isFull(): boolean {
    return this.hot.rowCount + this.holding.movingRows >= this.options.limits.rowsMax;
  }

  /** There may be room in memory again. */
  private noteRoom(): void {
    if (this.fullSinceMs !== undefined && !this.isFull) this.wakeUp?.();
  }

  /** When memory is full: streams that cannot flow now, then those that take the others' place, give it to them. */
  private makeRoom(): boolean {
    const { limits, severalDestinations } = this.options;
    if (this.holding.movingRows >= limits.rowsMax) return false;
    const isAway = (name: string) => this.destinations.isAway(name);
    if (!severalDestinations && this.hot.readyDestinations().every(isAway)) return false;
    const away = severalDestinations ? this.hot.find((stream) => isAway(stream.destination)) : [];
    if (this.giveWay(away, "AWAY")) return true;
    if (
      this.giveWay(
        this.hot.find((_stream, rowCount) => rowCount >= limits.deepMin),
        "SLOW",
      )
    )
      return true;
    if (!severalDestinations || this.now() - (this.fullSinceMs ?? this.now()) < CROWDED_MS) return false;
    // Faster ones would have made room by now.
    const busiest = this.hot.findBusiest();
    return this.giveWay(
      this.hot.find((stream) => stream.destination === busiest),
      "SLOW",
    );
  }

  private giveWay(streams: readonly { key: string; id: StreamId }[], state: "AWAY" | "SLOW"): boolean {
    for (const { key, id } of streams) this.holding.divert(key, id, { state, attempts: 0, error: "", waitMs: 0 });
    return streams.length > 0;
  }

  private async idle(ms: number): Promise<void> {
    if ((this.isWoken && this.fullSinceMs === undefined) || this.ending.signal.aborted) return;
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
