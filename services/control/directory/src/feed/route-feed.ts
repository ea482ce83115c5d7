import { createSequenceTail, type SequenceTail, type SiloDatabase } from "@cellway/database";
import type { Logger, Metrics } from "@cellway/telemetry";
import { ROUTE_CHANGE_COLUMNS, ROUTE_CHANGE_TABLE, type RouteChange, readRouteLog } from "../store/route-log.js";
import { pauseFor } from "./pause.js";

/** How often the log is read: the most that a change waits for its readers, but for the time that reading takes. */
const ROUTE_POLL_INTERVAL_MS = 100;
/** Changes that are read, and handed on, at a time. */
const BATCH_MAX = 1_000;

/** How far the log was read. */
export interface FeedPosition {
  readonly feedId: string;
  /** Every change up to here was handed on, or will never exist. */
  readonly settledId: string;
  /** The greatest id that was handed on. */
  readonly newestId: string;
  /** Whatever was committed before was handed on, in milliseconds since the epoch. */
  readonly completeUntilMs: number;
}

/** Changes that became visible together, ordered by id, and the position after them. */
export interface ChangeBatch {
  readonly changes: readonly RouteChange[];
  readonly position: FeedPosition;
}

/** Told of changes, and with none of them how far the log was read. Must not throw, and must not take long. */
export type FeedListener = (batch: ChangeBatch) => void;

/**
 * Reads the log of changes for everybody in this process, as they become visible. One that was committed late comes late;
 * none is left out. After a failure some may come twice.
 */
export class RouteFeed {
  private readonly listeners = new Set<FeedListener>();
  private readonly stopping = new AbortController();
  private readonly ending = new AbortController();
  private tail: SequenceTail<RouteChange> | undefined;
  private current: Promise<void> | undefined;
  private queued: Promise<void> | undefined;
  private running: Promise<void> | undefined;
  private lastFailure: string | undefined;
  private at: FeedPosition | undefined;
  private feedId = "";
  private watchers = 0;

  constructor(
    private readonly options: {
      readonly database: SiloDatabase;
      readonly logger: Logger;
      readonly metrics: Metrics;
      readonly now: () => number;
    },
  ) {}

  /** How far the log was read; undefined before the first time. */
  get position(): FeedPosition | undefined {
    return this.at;
  }

  /** Aborts when the feed stops. */
  get signal(): AbortSignal {
    return this.stopping.signal;
  }

  /** Aborts when nobody may follow the feed any more: before it stops. */
  get endSignal(): AbortSignal {
    return this.ending.signal;
  }

  /** Ends everybody's streams. Who reads it in this process may go on. */
  end(): void {
    this.ending.abort();
  }

  /** Tells the listener of every change that is read from now on. @returns what ends that. */
  subscribe(listener: FeedListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** For the metric. */
  countWatchers(by: 1 | -1): void {
    this.watchers += by;
    this.options.metrics.set("cellway_route_feed_watchers", {}, this.watchers);
  }

  /** Begins to read, again and again. */
  start(): void {
    this.running ??= this.run();
  }

  async stop(): Promise<void> {
    this.end();
    this.stopping.abort();
    await this.running;
  }

  /** Reads now. When it resolves, listeners know of everything that was committed before the call. */
  catchUp(): Promise<void> {
    if (this.current === undefined) return this.begin();
    // The read under way may have passed the place already.
    this.queued ??= this.current
      .catch(() => undefined)
      .then(() => {
        this.queued = undefined;
        return this.begin();
      });
    return this.queued;
  }

  /** Begins anew when the log says that it is another one. */
  renew(feedId: string): void {
    if (this.feedId !== feedId) this.tail = undefined;
  }

  private begin(): Promise<void> {
    this.current = this.readAll().finally(() => {
      this.current = undefined;
    });
    return this.current;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      try {
        await this.catchUp();
        this.lastFailure = undefined;
      } catch (error) {
        this.report(error);
      }
      await pauseFor(ROUTE_POLL_INTERVAL_MS, signal);
    }
  }

  private report(error: unknown): void {
    const failure = String(error);
    if (failure === this.lastFailure || this.stopping.signal.aborted) return;
    this.lastFailure = failure;
    this.options.logger.warn({ err: error }, "the log of routes cannot be read; it is tried again until it can");
  }

  private async readAll(): Promise<void> {
    const { now, metrics } = this.options;
    try {
      const tail = this.tail ?? (await this.open());
      for (;;) {
        const startedAtMs = now();
        const changes = await tail.next(BATCH_MAX);
        metrics.set("cellway_route_feed_missing_ids", {}, tail.missing);
        this.publish(tail, changes, startedAtMs);
        if (changes.length < BATCH_MAX) return;
      }
    } catch (error) {
      // After a broken connection nobody knows what the server still knows: begin where everything is settled.
      this.tail = undefined;
      throw error;
    }
  }

  private async open(): Promise<SequenceTail<RouteChange>> {
    const { database } = this.options;
    const log = await readRouteLog(database);
    this.feedId = log.feed_id;
    this.tail = createSequenceTail<RouteChange>({
      query: (sql, parameters) => database.query(sql, parameters),
      table: ROUTE_CHANGE_TABLE,
      columns: ROUTE_CHANGE_COLUMNS,
      afterId: log.settled_id,
    });
    return this.tail;
  }

  private publish(tail: SequenceTail<RouteChange>, changes: readonly RouteChange[], startedAtMs: number): void {
    const { feedId, at } = this;
    const { settledId } = tail;
    const known = at?.feedId === feedId ? [at.newestId, settledId] : [settledId];
    const newestId = greatestOf([...known, ...changes.map(({ id }) => id)]);
    // When there may be more to read, nothing new is complete.
    const completeUntilMs = changes.length < BATCH_MAX ? startedAtMs : (at?.completeUntilMs ?? 0);
    const position = { feedId, settledId, newestId, completeUntilMs };
    this.at = position;
    if (changes.length > 0) this.options.metrics.count("cellway_route_feed_changes_total", {}, changes.length);
    for (const listener of this.listeners) listener({ changes, position });
  }
}

function greatestOf(ids: readonly string[]): string {
  return ids.reduce((greatest, id) => (BigInt(id) > BigInt(greatest) ? id : greatest), "0");
}
