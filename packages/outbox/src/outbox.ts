import { isDatabaseUnavailable, parseDatabaseUrl, type Queryable, toPgConfig } from "@cellway/database";
import type { SiloContext } from "@cellway/silo";
import type { Logger, Metrics } from "@cellway/telemetry";
import { indexCategories } from "./category.js";
import { Depth } from "./depth.js";
import { describeError } from "./errors.js";
import { type FlushedShard, FlushWaiters } from "./flush.js";
import { DEFAULT_OUTBOX_LIMITS, type OutboxLimits } from "./limits.js";
import type { Courier, MessageGroup, StreamId } from "./message.js";
import { Notifications } from "./notifications.js";
import { createOperations, type Operations } from "./operations.js";
import type { OutboxOperator } from "./operator.js";
import { Pump } from "./pump.js";
import type { Reporter } from "./reporter.js";
import { nameOfCategory } from "./selection.js";
import type { OutboxSource } from "./source.js";
import { OutboxStore } from "./store.js";

/** How long {@link Outbox.flush} waits when nothing else is said. */
const FLUSH_TIMEOUT_MS = 5_000;
/** In which further changes are announced together to the process that delivers. */
const ANNOUNCE_MS = 1;

/** What an outbox is made of. */
export interface OutboxOptions {
  /** Which side it is of, and the silo's name. */
  readonly context: SiloContext;
  readonly database: Queryable;
  /** Of the same database, for a connection of its own that hears of changes. Not through a transaction pooler: there it polls. */
  readonly databaseUrl: string;
  readonly sources: readonly OutboxSource[];
  readonly courier: Courier;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly limits?: Partial<OutboxLimits>;
}

/** What one side of a silo tells the other: written with each change, delivered after it. */
export interface Outbox {
  /** Begins to deliver, whenever no other process of the silo does. */
  start(): void;
  /** There may be something new: called after commits. */
  wake(): void;
  /**
   * Resolves once all that was committed of a shard before is delivered.
   *
   * @throws OutboxFlushError when it is not, after a failure or `timeoutMs` (default 5 000).
   */
  flush(shard: FlushedShard, options?: { timeoutMs?: number }): Promise<void>;
  /** Silos for which more waits than should: see `depthMax` of {@link OutboxLimits}. A few seconds old. */
  readonly full: readonly string[];
  /**
   * For work that can wait, before it changes much: costs nothing. Changes themselves are never refused.
   *
   * @throws ConnectError RESOURCE_EXHAUSTED, reason OUTBOX_FULL, when too much waits for the silo; for any, when left out.
   */
  assertRoom(destination?: string): void;
  /** Whether this process is the one that delivers. */
  readonly isOwner: boolean;
  /** What operators see and do; whichever process delivers. */
  readonly operator: OutboxOperator;
  stop(): Promise<void>;
}

/**
 * Creates the outbox of one side of a silo.
 *
 * @throws OutboxCategoryError when the sources contradict each other.
 */
export function createOutbox(options: OutboxOptions): Outbox {
  const { localMode } = options.context;
  const store = new OutboxStore(options.database, localMode);
  const { schema } = store;
  const sources = indexCategories(options.sources);
  const nameOf = (category: number) => nameOfCategory(category, sources) || String(category);
  const limits = { ...DEFAULT_OUTBOX_LIMITS, ...options.limits };
  const waiters = new FlushWaiters(store);
  const channel = `cellway_outbox_${schema}`;
  const notifications = createNotifications(options, channel, () => pump.wake());
  const isNotified = () => notifications.isWorking;
  const pump: Pump = new Pump({
    ...options,
    store,
    sources,
    limits,
    severalDestinations: localMode === "CONTROL",
    describeError,
    isSessionError: isDatabaseUnavailable,
    isNotified,
    ...createReports({ ...options, waiters, nameOf, reporter: () => operations.reporter }),
  });
  const isOwner = () => pump.isOwner;
  const announce = createAnnouncer(() => options.database.query(`select pg_notify('${channel}', '')`));
  const wake = () => {
    if (!pump.wake()) announce();
  };
  const shared = { ...options, localMode, schema, sources, limits, nameOf, isOwner, isNotified, wake };
  const depth = new Depth({ ...shared, ...limits });
  const operations: Operations = createOperations(shared);
  return {
    start() {
      pump.start();
      notifications.start();
      depth.start();
      operations.start();
    },
    wake,
    operator: operations.operator,
    async flush(shard, { timeoutMs = FLUSH_TIMEOUT_MS } = {}) {
      await waiters.wait(shard, { timeoutMs, onWaiting: wake });
    },
    get full() {
      return depth.fullDestinations;
    },
    assertRoom: (destination) => depth.assertRoom(destination),
    get isOwner() {
      return pump.isOwner;
    },
    async stop() {
      depth.stop();
      await Promise.all([pump.stop(), notifications.stop(), operations.stop()]);
    },
  };
}

function createNotifications(options: OutboxOptions, channel: string, onNotify: () => void): Notifications {
  const { context, databaseUrl, logger } = options;
  const connection = toPgConfig(parseDatabaseUrl(databaseUrl), {
    applicationName: `cellway-${context.siloName}-outbox`,
    connectTimeoutMs: 5_000,
  });
  return new Notifications({ connection, channel, logger, onNotify });
}

/** What metrics, the log and those who wait are told. */
function createReports(options: {
  metrics: Metrics;
  logger: Logger;
  waiters: FlushWaiters;
  nameOf: (category: number) => string;
  reporter: () => Reporter;
}) {
  const { metrics, logger, waiters, nameOf, reporter } = options;
  const labelsOf = (stream: StreamId, group: MessageGroup) => ({
    destination: stream.destination,
    category: nameOf(group.category),
  });
  return {
    onDelivered: (ids: readonly string[]) => waiters.delivered(ids),
    onGroup(stream: StreamId, group: MessageGroup) {
      metrics.count("cellway_outbox_delivered_total", labelsOf(stream, group));
      metrics.observe("cellway_outbox_lag_seconds", labelsOf(stream, group), (Date.now() - group.createdMs) / 1000);
      reporter().onGroup(stream, group);
    },
    onFailed(stream: StreamId, group: MessageGroup, error: string) {
      metrics.count("cellway_outbox_failed_total", labelsOf(stream, group));
      logger.warn(
        { ...labelsOf(stream, group), shard_id: stream.shardId, object_id: group.objectId, error },
        "a message was not delivered; it is sent again",
      );
      waiters.failed(group.ids, error);
    },
    onParked(group: MessageGroup, stream: StreamId, error: string) {
      metrics.count("cellway_outbox_parked_total", labelsOf(stream, group));
      logger.error(
        { ...labelsOf(stream, group), shard_id: stream.shardId, object_id: group.objectId, error },
        "a message failed too often and is parked until somebody asks for it",
      );
    },
    onPutOff(groups: readonly MessageGroup[], why: string) {
      for (const group of groups) waiters.failed(group.ids, why);
    },
    onDestination(name: string, change: "back" | "gone") {
      reporter().onDestination(name, change);
      if (change === "gone")
        logger.warn({ destination: name }, "a silo cannot be reached: what it is to be told is kept");
      else logger.info({ destination: name }, "a silo is back, and is told what changed meanwhile");
    },
  };
}

/** Runs `tell` soon, once for all calls until then, and never twice at a time. */
function createAnnouncer(tell: () => Promise<unknown>): () => void {
  let isTelling = false;
  let isWanted = false;
  const announce = () => {
    isWanted = true;
    if (isTelling) return;
    isTelling = true;
    setTimeout(() => {
      isWanted = false;
      // Polling finds what nobody was told of.
      tell()
        .catch(() => undefined)
        .finally(() => {
          isTelling = false;
          if (isWanted) announce();
        });
    }, ANNOUNCE_MS);
  };
  return announce;
}
