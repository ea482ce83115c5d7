import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "@cellway/telemetry";
import type { BackfillStore } from "./backfill-store.js";
import type { Categories } from "./category.js";
import type { OutboxLimits } from "./limits.js";
import type { OutboxSource } from "./source.js";

/** How often is looked for something to do. */
const IDLE_MS = 500;
/** How long to wait while too much is not delivered. */
const WAITING_MS = 100;
/** Batches that are written in a second, unless one is more than {@link BATCH_MAX} messages. */
const BATCHES_PER_SECOND = 10;
/** The most messages that one transaction writes. */
const BATCH_MAX = 500;

/** A replicated table and the version that the code has of its replication. */
export interface BackfillTable {
  readonly category: number;
  readonly table: string;
  readonly version: number;
}

/** The replicated tables among the sources. */
export function listBackfillTables(sources: Categories<OutboxSource>): BackfillTable[] {
  return [...sources.values()].flatMap(({ category, table, replicationVersion }) =>
    table === undefined ? [] : [{ category: category.number, table: table.name, version: replicationVersion ?? 1 }],
  );
}

/** What a backfill works with. */
export interface BackfillOptions {
  readonly store: BackfillStore;
  readonly tables: readonly BackfillTable[];
  readonly limits: OutboxLimits;
  readonly logger: Logger;
  /** Whether this process delivers: only that one writes. */
  readonly isOwner: () => boolean;
  /** There is something new to deliver. */
  readonly wake: () => void;
}

/**
 * Tells of every row of a replicated table anew when the version in code has grown, or an operator wants it: at a
 * limited rate, in the order of its objects, going on where any process stopped. Stops while too much is not delivered.
 */
export class Backfill {
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;

  constructor(private readonly options: BackfillOptions) {}

  start(): void {
    if (this.options.tables.length > 0) this.running ??= this.run();
  }

  /** Ends after the batch that is under way. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    /** For the log: each cause once, however often it comes. */
    let lastFailure: string | undefined;
    let isAdopted = false;
    while (!this.stopping.signal.aborted) {
      let pauseMs = IDLE_MS;
      try {
        // Before anything is written to an empty database: there is nothing to tell of anew then.
        if (!isAdopted) await this.options.store.adopt(this.options.tables);
        isAdopted = true;
        if (this.options.isOwner()) pauseMs = await this.turn();
        lastFailure = undefined;
      } catch (error) {
        const failure = String(error);
        if (failure !== lastFailure) this.options.logger.warn({ err: error }, "replicating anew was interrupted");
        lastFailure = failure;
      }
      await sleep(pauseMs * (0.9 + Math.random() / 5), undefined, { signal: this.stopping.signal }).catch(
        () => undefined,
      );
    }
  }

  /** One batch of each table that is not done. @returns the pause until the next */
  private async turn(): Promise<number> {
    const { store, tables, limits } = this.options;
    for (const table of await store.beginRaised(tables)) {
      this.options.logger.info({ ...table }, "every row of a table is replicated anew: its version has grown");
    }
    let pauseMs = IDLE_MS;
    for (const { table, rate } of await store.listOpen(tables)) {
      const perSecond = rate ?? limits.backfillMessagesPerSecond;
      const askedAt = performance.now();
      const batchMax = Math.max(1, Math.min(BATCH_MAX, Math.ceil(perSecond / BATCHES_PER_SECOND)));
      const { messages, state } = await store.step(table, { batchMax, depthMax: limits.backfillDepthMax });
      if (messages > 0) this.options.wake();
      if (state === "DONE") this.options.logger.info({ ...table }, "every row of a table was told of anew");
      const tookMs = performance.now() - askedAt;
      const dueMs = state === "WAITING" ? WAITING_MS : Math.max(0, (messages / perSecond) * 1_000 - tookMs);
      // One after the other at the rate of each: together they are no faster than the fastest.
      if (state !== "NONE") pauseMs = pauseMs === IDLE_MS ? dueMs : pauseMs + dueMs;
      if (this.stopping.signal.aborted) break;
    }
    return pauseMs;
  }
}
