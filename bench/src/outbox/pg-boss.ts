import { setTimeout as sleep } from "node:timers/promises";
import PgBoss from "pg-boss";
import type { Item } from "./cellway.js";
import type { Drainer } from "./drain.js";
import { Ledger, startCpuClock } from "./ledger.js";
import type { BenchDatabase } from "./postgres.js";

/** What is installed: see package.json. */
export const PG_BOSS = "pg-boss 10.4.2";

const QUEUE = "deliver";
const FETCH_MAX = 100;
const FETCHERS = 4;
/** The shortest that it offers. */
const POLL_MS = 500;
const PADDING = "x".repeat(100);

/** What a job says. */
interface Payload {
  readonly shard: string;
  readonly place: number;
}

/** Opens it and creates its tables. */
export async function openBoss({ url }: Pick<BenchDatabase, "url">): Promise<PgBoss> {
  const boss = new PgBoss({ connectionString: url, max: 8, schedule: false, supervise: false });
  boss.on("error", () => {});
  await boss.start();
  await boss.createQueue(QUEUE);
  return boss;
}

/** Adds jobs in one statement. */
export async function insertJobs(boss: PgBoss, items: readonly Item[], places: readonly number[]): Promise<void> {
  await boss.insert(
    items.map(({ shard }, index) => ({
      name: QUEUE,
      data: { shard: String(shard), place: places[index] ?? 0, padding: PADDING },
    })),
  );
}

/** Fetches and completes in batches, several at once, until it is stopped. */
export function startBoss(boss: PgBoss, handle: (payload: Payload) => void): { stop(): Promise<void> } {
  let isStopped = false;
  const fetcher = async () => {
    while (!isStopped) {
      const jobs = await boss.fetch<Payload>(QUEUE, { batchSize: FETCH_MAX });
      for (const { data } of jobs) handle(data);
      if (jobs.length > 0)
        await boss.complete(
          QUEUE,
          jobs.map(({ id }) => id),
        );
      else await sleep(POLL_MS);
    }
  };
  const fetchers = Array.from({ length: FETCHERS }, fetcher);
  return {
    async stop() {
      isStopped = true;
      await Promise.all(fetchers);
    },
  };
}

/** It neither orders nor coalesces (to the newest). */
export function createBossDrainer(database: BenchDatabase, boss: PgBoss, options: { capMs: number }): Drainer {
  return {
    name: `${PG_BOSS}, no order`,
    promises: "",
    async drain({ items }) {
      await boss.purgeQueue(QUEUE);
      await database.pool.query("delete from pgboss.job");
      for (let at = 0; at < items.length; at += 1_000) {
        const part = items.slice(at, at + 1_000);
        await insertJobs(
          boss,
          part,
          part.map((_, index) => at + index),
        );
      }
      const ledger = new Ledger();
      const cpu = startCpuClock();
      const startedAt = performance.now();
      const running = startBoss(boss, ({ shard, place }) => ledger.take(shard, place));
      await ledger.until(items.length, options.capMs);
      const seconds = (performance.now() - startedAt) / 1_000;
      const { deliveries, inversions } = ledger;
      await running.stop();
      const perSecond = deliveries / seconds;
      return {
        rowsPerSecond: perSecond,
        messagesPerSecond: perSecond,
        cpuMicrosPerRow: cpu() / Math.max(1, deliveries),
        inversions,
        left: Math.max(0, items.length - deliveries),
      };
    },
  };
}
