import { Logger, type Runner, run, runMigrations } from "graphile-worker";
import type pg from "pg";
import type { Item } from "./cellway.js";
import type { Drainer } from "./drain.js";
import { Ledger, startCpuClock } from "./ledger.js";
import type { BenchDatabase } from "./postgres.js";

/** What is installed: see package.json. */
export const GRAPHILE = "graphile-worker 0.16.6";

const silent = new Logger(() => () => {});
/** As many rows as ours holds. */
const PADDING = "x".repeat(100);

/** What a job says. */
interface Payload {
  readonly shard: string;
  readonly place: number;
}

/** Creates its tables. */
export async function prepareGraphile({ pool }: BenchDatabase): Promise<void> {
  await runMigrations({ pgPool: pool, logger: silent });
}

/** Adds jobs, in order, in one transaction. */
export async function addJobs(
  client: pg.Pool | pg.ClientBase,
  items: readonly Item[],
  options: { places: readonly number[]; isOrdered: boolean; coalesces: boolean },
): Promise<void> {
  const specs = items.map(({ shard, object }, index) => ({
    identifier: "deliver",
    payload: { shard: String(shard), place: options.places[index], padding: PADDING },
    ...(options.isOrdered ? { queue_name: `shard-${shard}` } : {}),
    ...(options.coalesces ? { job_key: `${shard}/${object}` } : {}),
  }));
  await client.query(
    "select count(*) from graphile_worker.add_jobs(array(select s from json_populate_recordset(null::graphile_worker.job_spec, $1::json) s))",
    [JSON.stringify(specs)],
  );
}

/** Handles jobs until it is stopped. */
export function startGraphile({ pool }: BenchDatabase, handle: (payload: Payload) => void): Promise<Runner> {
  return run({
    pgPool: pool,
    concurrency: 10,
    // An idle worker looks this often: with the default of 2 s, ordered queues wait for nothing most of the time.
    pollInterval: 50,
    noHandleSignals: true,
    logger: silent,
    taskList: {
      deliver: async (payload) => handle(payload as Payload),
    },
  });
}

/** A queue for each shard, or none. It coalesces by job_key, when a job is written. */
export function createGraphileDrainer(
  database: BenchDatabase,
  options: { isOrdered: boolean; capMs: number },
): Drainer {
  const { pool } = database;
  return {
    name: options.isOrdered ? `${GRAPHILE}, a queue per shard` : `${GRAPHILE}, no order`,
    promises: options.isOrdered ? "order, coalescing" : "coalescing",
    async drain({ items, objects }) {
      await pool.query("truncate graphile_worker._private_jobs, graphile_worker._private_job_queues");
      const coalesces = objects < items.length;
      // A job_key may stand once in a statement.
      const batch = Math.min(500, objects);
      for (let at = 0; at < items.length; at += batch) {
        const part = items.slice(at, at + batch);
        await addJobs(pool, part, { places: part.map((_, index) => at + index), ...options, coalesces });
      }
      const ledger = new Ledger();
      const runner = await startGraphile(database, ({ shard, place }) => ledger.take(shard, place));
      // Its start is long, and not what is measured; ours is in our figure.
      const cpu = startCpuClock();
      const startedAt = performance.now();
      await ledger.until(objects, options.capMs);
      const seconds = (performance.now() - startedAt) / 1_000;
      await runner.stop();
      const { deliveries, inversions } = ledger;
      return {
        rowsPerSecond: (deliveries * (items.length / objects)) / seconds,
        messagesPerSecond: deliveries / seconds,
        cpuMicrosPerRow: cpu() / Math.max(1, deliveries * (items.length / objects)),
        inversions,
        left: Math.max(0, objects - deliveries),
      };
    },
  };
}
