// A thread that writes messages at a steady rate, so that whoever delivers has a thread for itself.
import { setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import pg from "pg";
import { createInProcessCourier, type Item, openOutbox, writeRows } from "./cellway.js";
import { addJobs } from "./graphile.js";
import { nowMs } from "./ledger.js";
import { itemOf, type ProducerData } from "./load.js";
import { insertJobs, openBoss } from "./pg-boss.js";

const { kind, url, load, sentAt, committedAt } = workerData as ProducerData;

type Write = (items: readonly Item[], places: readonly number[]) => Promise<unknown>;

async function createWriter(): Promise<{ write: Write; close(): Promise<unknown> }> {
  if (kind === "pg-boss") {
    const boss = await openBoss({ url });
    return {
      write: (items, places) => insertJobs(boss, items, places),
      close: () => boss.stop({ graceful: false }),
    };
  }
  const pool = new pg.Pool({ connectionString: url, max: load.connections + 2 });
  pool.on("error", () => {});
  if (kind === "graphile") {
    const options = { isOrdered: false, coalesces: false };
    return { write: (items, places) => addJobs(pool, items, { places, ...options }), close: () => pool.end() };
  }
  // Never started: as a process has it that does not deliver. It announces what was committed.
  const outbox = openOutbox(
    { url, pool },
    createInProcessCourier(async () => {}),
  );
  return {
    async write(items) {
      // Shards in one order in every transaction: none waits for one that waits for it.
      await writeRows(
        pool,
        items.toSorted((one, other) => one.shard - other.shard || one.object - other.object),
      );
      outbox.wake();
    },
    close: () => pool.end(),
  };
}

async function produce(write: Write): Promise<void> {
  const startedAt = nowMs();
  let next = 0;
  const connection = async () => {
    while (next < load.total) {
      const due = Math.min(load.total, Math.floor(((nowMs() - startedAt) / 1_000) * load.perSecond) + 1);
      const count = Math.min(load.batch, load.total - next);
      if (due < next + count) {
        await sleep(Math.min(5, Math.max(1, ((next + count - due) / load.perSecond) * 1_000)));
        continue;
      }
      const places = Array.from({ length: count }, (_, index) => next + index);
      next += count;
      const items = places.map((place) => itemOf(load, place));
      const sent = nowMs();
      for (const place of places) sentAt[place] = sent;
      await write(items, places);
      const committed = nowMs();
      for (const place of places) committedAt[place] = committed;
    }
  };
  await Promise.all(Array.from({ length: load.connections }, connection));
}

const writer = await createWriter();
parentPort?.postMessage("ready");
await new Promise((resolve) => parentPort?.once("message", resolve));
await produce(writer.write);
// The last announcement waits for a moment.
await sleep(50);
await writer.close();
parentPort?.postMessage("done");
parentPort?.close();
