import type { SiloDatabase } from "@cellway/database";
import { reasonOf } from "@cellway/rpc";
import type { Metrics } from "@cellway/telemetry";
import { FIRST_ROW_KEYS, listCellRoutes, listKeyRoutes, listRoutes } from "../store/route.js";
import { listRouteChanges, readRouteLog, renewFeedId } from "../store/route-log.js";
import { formatCursor, formatFilter, parseCursor, type Watched } from "./cursor.js";
import {
  createCellPage,
  createChanges,
  createHeartbeat,
  createKeyPage,
  createRoutePage,
  createSnapshotBegin,
  createSnapshotEnd,
  type FeedMessage,
  isCellMoved,
  type RouteFilter,
} from "./messages.js";
import type { ChangeBatch, FeedPosition, RouteFeed } from "./route-feed.js";
import { RouteWatcher } from "./route-watcher.js";

/** A consumer hears from the feed at least this often. */
const HEARTBEAT_INTERVAL_MS = 1_000;
/** Routes, and changes, in one message: small enough to be sent without compression. */
const PAGE_SIZE = 1_000;

/** One consumer of the feed. */
export interface WatchOptions {
  readonly feed: RouteFeed;
  readonly database: SiloDatabase;
  readonly metrics: Metrics;
  readonly watched: Watched;
  readonly cursor: string;
  /** Aborts when the consumer has gone. */
  readonly signal: AbortSignal;
  /** When the stream ends in order, in milliseconds since the epoch. */
  readonly endAtMs: number;
}

/** What WatchRoutes promises: see its contract. */
export async function* watchFeed(options: WatchOptions): AsyncGenerator<FeedMessage> {
  const { feed, metrics, signal } = options;
  if (feed.position === undefined) await feed.catchUp();
  // Before anything is read: what is committed from now on comes through the watcher, whatever the reads miss.
  const watcher = new RouteWatcher(feed);
  const onGone = () => watcher.close();
  signal.addEventListener("abort", onGone, { once: true });
  let why = "gone";
  try {
    yield* new Watch(options, watcher).run();
    if (!signal.aborted) why = "done";
  } catch (error) {
    why = WHY_ENDED[reasonOf(error) ?? ""] ?? "error";
    throw error;
  } finally {
    signal.removeEventListener("abort", onGone);
    watcher.close();
    metrics.count("cellway_route_feed_watchers_ended_total", { why });
  }
}

const WHY_ENDED: Readonly<Record<string, string>> = { WATCHER_TOO_SLOW: "too_slow", ROUTE_FEED_STOPPED: "stopped" };

interface TakenBatch {
  readonly changes: ChangeBatch["changes"];
  readonly position: Pick<FeedPosition, "feedId">;
}

class Watch {
  private readonly filter: RouteFilter;
  /** Why what was sent is not enough any more, and a snapshot must follow. */
  private brokenBy: string | undefined;
  private feedId = "";

  constructor(
    private readonly options: WatchOptions,
    private readonly watcher: RouteWatcher,
  ) {
    const { localities, keys } = options.watched;
    this.filter = { localities: localities.length === 0 ? undefined : new Set(localities), keys };
  }

  async *run(): AsyncGenerator<FeedMessage> {
    const { signal, endAtMs } = this.options;
    this.feedId = this.position().feedId;
    this.brokenBy = await this.whySnapshot();
    if (this.brokenBy === undefined) yield* this.replay();
    let beatAtMs = 0;
    while (!signal.aborted && Date.now() < endAtMs) {
      if (this.brokenBy !== undefined) yield* this.snapshot(this.brokenBy);
      const batch = await this.watcher.next(Math.max(0, beatAtMs - Date.now()), signal);
      if (batch !== undefined) {
        const message = this.take(batch, this.cursorAt(batch.position));
        if (this.brokenBy !== undefined) continue;
        if (message !== undefined) yield message;
      }
      if (Date.now() < beatAtMs) continue;
      const position = this.position();
      yield createHeartbeat(position.completeUntilMs, this.cursorAt(position));
      beatAtMs = Date.now() + HEARTBEAT_INTERVAL_MS;
    }
  }

  /** Why the cursor cannot be gone on from; undefined when it can. */
  private async whySnapshot(): Promise<string | undefined> {
    const { feed, database, cursor, watched } = this.options;
    if (cursor === "") return "there is no cursor";
    const parsed = parseCursor(cursor);
    if (parsed === undefined) return "the cursor is none of this feed's";
    if (parsed.filter !== formatFilter(watched)) return "the cursor is of other localities or keys";
    const log = await readRouteLog(database);
    if (parsed.feedId !== log.feed_id) {
      feed.renew(log.feed_id);
      await feed.catchUp();
      return "the cursor is of another feed";
    }
    const settledId = BigInt(parsed.settledId);
    if (settledId > BigInt(log.last_id)) {
      // Nothing but a database that was put back can have forgotten what a consumer was told.
      await renewFeedId(database, log.feed_id);
      feed.renew("");
      await feed.catchUp();
      return "the cursor is ahead of the log";
    }
    return settledId < BigInt(log.pruned_id) ? "the cursor is older than the log" : undefined;
  }

  /** What was logged after the cursor and before the watcher began. */
  private async *replay(): AsyncGenerator<FeedMessage> {
    const { database, cursor } = this.options;
    const { newestId, settledId, feedId } = this.position();
    const from = parseCursor(cursor)?.settledId ?? "0";
    for (let afterId = from; ; ) {
      const changes = await listRouteChanges(database, afterId, newestId, PAGE_SIZE);
      afterId = changes.at(-1)?.id ?? afterId;
      const reachedId = BigInt(afterId) < BigInt(settledId) ? afterId : settledId;
      const read = { changes, position: { feedId } };
      const message = this.take(read, formatCursor({ feedId, settledId: reachedId }, this.options.watched));
      if (this.brokenBy !== undefined) return;
      if (message !== undefined) yield message;
      if (changes.length < PAGE_SIZE) break;
    }
    const log = await readRouteLog(database);
    if (BigInt(log.pruned_id) > BigInt(from)) this.brokenBy = "the log was cut while it was read";
  }

  private async *snapshot(reason: string): AsyncGenerator<FeedMessage> {
    const { database, watched } = this.options;
    const { localities, keys } = watched;
    const from = this.position();
    this.brokenBy = undefined;
    this.feedId = from.feedId;
    yield createSnapshotBegin(reason, from.feedId);
    yield createCellPage(await listCellRoutes(database));
    for (let afterId = "0"; ; ) {
      const rows = await listRoutes(database, { localities, afterId, limit: PAGE_SIZE });
      if (rows.length > 0) yield createRoutePage(rows);
      yield* this.takeWaiting();
      const last = rows.at(-1);
      if (last === undefined || rows.length < PAGE_SIZE) break;
      afterId = last.organization_id;
    }
    for (const kind of keys) {
      for (let afterKey = FIRST_ROW_KEYS[kind]; ; ) {
        const rows = await listKeyRoutes(database, kind, { localities, afterKey, limit: PAGE_SIZE });
        if (rows.length > 0) yield createKeyPage(rows);
        yield* this.takeWaiting();
        const last = rows.at(-1);
        if (last === undefined || rows.length < PAGE_SIZE) break;
        afterKey = last.row_key;
      }
    }
    yield createSnapshotEnd(from.completeUntilMs, this.cursorAt(from));
  }

  /** Changes that have come while a page was read. They count, though no cursor goes with them. */
  private *takeWaiting(): Generator<FeedMessage> {
    for (let batch = this.watcher.take(); batch !== undefined; batch = this.watcher.take()) {
      const message = this.take(batch, "");
      if (message !== undefined) yield message;
    }
  }

  private take(batch: TakenBatch, cursor: string): FeedMessage | undefined {
    const { changes, position } = batch;
    if (changes.some((change) => isCellMoved(change, this.filter)))
      this.brokenBy = "a cell has moved to another locality";
    if (position.feedId !== this.feedId) this.brokenBy = "the feed is another one now";
    return createChanges(changes, this.filter, cursor);
  }

  private position(): FeedPosition {
    const { position } = this.watcher;
    if (position === undefined) throw new Error("the feed has no position after it was read");
    return position;
  }

  private cursorAt(position: FeedPosition): string {
    return formatCursor(position, this.options.watched);
  }
}
