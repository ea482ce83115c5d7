import { median } from "../rpc/measure.js";
import { clearOutbox, fill, type Item, isEmpty, writeRows } from "./cellway.js";
import { assertClean, eventually, startCpuClock } from "./ledger.js";
import type { BenchDatabase } from "./postgres.js";
import type { Finding, Scene } from "./scenarios.js";
import { openSilos } from "./silos.js";

/** From outbox to inbox between two silos, over the signed RPC. */
export async function measureEndToEnd({ contenders, scale }: Scene): Promise<Finding[]> {
  const rows = Math.max(20_000, Math.round(100_000 * scale));
  const shapes = [
    { name: `${rows} x 1`, shards: rows },
    { name: `100 x ${rows / 100}`, shards: 100 },
  ];
  const rounds = Math.max(1, Math.round(3 * scale));
  // Code that has run before, on both sides.
  await drainOverRpc(
    contenders.cellway,
    "warming up",
    Array.from({ length: 5_000 }, (_, index) => ({ shard: index, object: index })),
  );
  const figures: { shape: string; messagesPerSecond: number; cpuMicrosPerMessage: number }[] = [];
  for (const { name, shards } of shapes) {
    const taken: { messagesPerSecond: number; cpuMicrosPerMessage: number }[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const items = Array.from({ length: rows }, (_, index) => ({ shard: index % shards, object: index }));
      taken.push(await drainOverRpc(contenders.cellway, name, items));
    }
    figures.push({
      shape: name,
      messagesPerSecond: median(taken.map((one) => one.messagesPerSecond)),
      cpuMicrosPerMessage: median(taken.map((one) => one.cpuMicrosPerMessage)),
    });
  }
  return [
    {
      title:
        "Between two silos: control's outbox to a cell's inbox, signed, over loopback HTTP/2, both in this process",
      rows: figures.map(({ shape, messagesPerSecond, cpuMicrosPerMessage }) => ({
        shape,
        "messages/s": Math.round(messagesPerSecond),
        "cpu us/message, both silos": cpuMicrosPerMessage.toFixed(1),
      })),
      figures,
    },
  ];
}

async function drainOverRpc(
  database: BenchDatabase,
  what: string,
  items: readonly Item[],
): Promise<{ messagesPerSecond: number; cpuMicrosPerMessage: number }> {
  await clearOutbox(database.pool);
  await fill(database.pool, items);
  const pair = await openSilos(database, "CONTROL");
  try {
    const cpu = startCpuClock();
    const startedAt = performance.now();
    pair.outbox.start();
    await pair.ledger.until(items.length, 120_000);
    await eventually(() => isEmpty(database.pool), 10_000, "the end of the drain");
    const seconds = (performance.now() - startedAt) / 1_000;
    assertClean(what, pair.ledger, items.length, 0);
    return { messagesPerSecond: items.length / seconds, cpuMicrosPerMessage: cpu() / items.length };
  } finally {
    await pair.close();
  }
}

/** The other silo is away while rows are written; how soon it knows all of them once it is back. */
export async function measureAbsence({ contenders, scale }: Scene): Promise<Finding[]> {
  const rows = Math.max(20_000, Math.round(200_000 * scale));
  const figures = [
    { who: "control, for a cell", ...(await sendAfterAbsence(contenders.cellway, "CELL", rows)) },
    { who: "a cell, for control", ...(await sendAfterAbsence(contenders.cellway, "CONTROL", rows)) },
  ];
  return [
    {
      title: `Away while ${rows} rows in 10,000 shards are written, then back`,
      rows: figures.map(({ who, untilFirstMs, totalMs }) => ({
        "who was away": who,
        "ms until the first message": Math.round(untilFirstMs),
        "s until all": (totalMs / 1_000).toFixed(2),
        "ms per 10,000 rows": Math.round(totalMs / (rows / 10_000)),
        "rows/s": Math.round((rows / totalMs) * 1_000),
      })),
      figures: { rows, figures },
    },
  ];
}

async function sendAfterAbsence(
  database: BenchDatabase,
  sender: "CELL" | "CONTROL",
  rows: number,
): Promise<{ untilFirstMs: number; totalMs: number }> {
  const schema = sender === "CELL" ? "cell" : "control";
  await clearOutbox(database.pool, schema);
  const pair = await openSilos(database, sender);
  try {
    pair.outbox.start();
    // One message first: the connection is up, then breaks.
    await writeRows(database.pool, [{ shard: 1, object: 1 }], sender);
    if (!(await pair.ledger.until(1, 10_000))) throw new Error("the first message did not come");
    await pair.leave();
    await fill(
      database.pool,
      Array.from({ length: rows }, (_, index) => ({ shard: index % 10_000, object: index })),
      sender,
    );
    await pair.comeBack();
    const startedAt = performance.now();
    await pair.ledger.until(2, 60_000);
    const untilFirstMs = performance.now() - startedAt;
    await pair.ledger.until(rows + 1, 120_000);
    await eventually(() => isEmpty(database.pool, schema), 20_000, "the end of the drain");
    const totalMs = performance.now() - startedAt;
    assertClean("after an absence", pair.ledger, rows + 1, 0);
    return { untilFirstMs, totalMs };
  } finally {
    await pair.close();
  }
}
