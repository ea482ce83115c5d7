import type { Queryable } from "@cellway/database";
import type { LocalMode } from "@cellway/silo";
import type { Logger, Metrics } from "@cellway/telemetry";
import { Backfill, listBackfillTables } from "./backfill.js";
import { BackfillStore } from "./backfill-store.js";
import type { Categories } from "./category.js";
import type { OutboxLimits } from "./limits.js";
import { createOutboxOperator, type OutboxOperator } from "./operator.js";
import { OperatorStore } from "./operator-store.js";
import { Reporter } from "./reporter.js";
import type { OutboxSource } from "./source.js";

/** What is seen and steered of an outbox beside its deliveries. */
export interface Operations {
  readonly operator: OutboxOperator;
  readonly reporter: Reporter;
  start(): void;
  stop(): Promise<void>;
}

/** Creates the operators' side of an outbox: answers, gauges, backfills. */
export function createOperations(options: {
  readonly database: Queryable;
  readonly schema: string;
  readonly localMode: LocalMode;
  readonly sources: Categories<OutboxSource>;
  readonly limits: OutboxLimits;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly nameOf: (category: number) => string;
  readonly isOwner: () => boolean;
  readonly isNotified: () => boolean;
  readonly wake: () => void;
}): Operations {
  const { database, schema, sources, limits } = options;
  const store = new OperatorStore(database, schema);
  const backfills = new BackfillStore(database, schema);
  const reporter = new Reporter({ ...options, store, backfills, intervalMs: limits.reportMs });
  const backfill = new Backfill({ ...options, store: backfills, tables: listBackfillTables(sources) });
  return {
    operator: createOutboxOperator({ ...options, store, backfills }),
    reporter,
    start() {
      backfill.start();
      reporter.start();
    },
    async stop() {
      await Promise.all([backfill.stop(), reporter.stop()]);
    },
  };
}
