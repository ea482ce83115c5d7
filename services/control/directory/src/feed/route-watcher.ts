import { createFeedStoppedError, createTooSlowError } from "../errors.js";
import type { ChangeBatch, FeedPosition, RouteFeed } from "./route-feed.js";

/** Changes that may wait for one consumer: about a megabyte. */
const WATCHER_CHANGES_MAX = 10_000;

/** The changes that wait for one consumer. */
export class RouteWatcher {
  private queue: ChangeBatch[] = [];
  private waiting = 0;
  private failure: Error | undefined;
  private lastTaken: FeedPosition | undefined;
  private isClosed = false;
  private wake = () => {};
  private readonly unsubscribe: () => void;

  /** Begins at once: whatever the feed hands on from now on waits here. */
  constructor(private readonly feed: RouteFeed) {
    this.lastTaken = feed.position;
    feed.countWatchers(1);
    this.unsubscribe = feed.subscribe((batch) => this.push(batch));
    feed.endSignal.addEventListener("abort", this.onStop, { once: true });
    if (feed.endSignal.aborted) this.onStop();
  }

  /** How far the consumer is when it has everything that was taken; undefined before the feed has begun. */
  get position(): FeedPosition | undefined {
    return this.queue.length === 0 ? this.feed.position : this.lastTaken;
  }

  /**
   * The next changes; undefined when none have come after `waitMs`, or when the signal aborts.
   *
   * @throws ABORTED / WATCHER_TOO_SLOW; UNAVAILABLE / ROUTE_FEED_STOPPED.
   */
  async next(waitMs: number, signal: AbortSignal): Promise<ChangeBatch | undefined> {
    if (this.queue.length === 0 && this.failure === undefined && waitMs > 0) await this.wait(waitMs, signal);
    return this.take();
  }

  /** The next changes that are here; undefined when there are none. @throws as {@link next} does. */
  take(): ChangeBatch | undefined {
    if (this.failure !== undefined) throw this.failure;
    const batch = this.queue.shift();
    if (batch === undefined) return undefined;
    this.waiting -= batch.changes.length;
    this.lastTaken = batch.position;
    return batch;
  }

  /** Waits for nothing any more. Safe to call twice. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.unsubscribe();
    this.feed.countWatchers(-1);
    this.feed.endSignal.removeEventListener("abort", this.onStop);
    this.queue = [];
  }

  private readonly onStop = () => {
    this.failure ??= createFeedStoppedError();
    this.wake();
  };

  private push(batch: ChangeBatch): void {
    if (this.failure !== undefined) return;
    if (batch.changes.length === 0 && batch.position.feedId === this.lastTaken?.feedId) return;
    this.queue.push(batch);
    this.waiting += batch.changes.length;
    if (this.waiting > WATCHER_CHANGES_MAX) {
      this.failure = createTooSlowError();
      // Nobody will take them; the consumer reads them again from the log.
      this.queue = [];
    }
    this.wake();
  }

  private wait(waitMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", end);
        this.wake = () => {};
        resolve();
      };
      const timer = setTimeout(end, waitMs);
      timer.unref();
      this.wake = end;
      signal.addEventListener("abort", end, { once: true });
      if (signal.aborted) end();
    });
  }
}
