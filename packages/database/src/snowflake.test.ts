import { afterAll, beforeAll, expect, test } from "@jest/globals";
import pg from "pg";
import { openDatabase } from "./database.js";
import type { EmbeddedPostgres } from "./embedded/start-embedded-postgres.js";
import { migrate } from "./migrate.js";
import { cellNumberOfSnowflake, createdAtOfSnowflake, nextSnowflake } from "./snowflake.js";
import { startTestPostgres } from "./test-support.js";

let postgres: EmbeddedPostgres;
let pool: pg.Pool;
let url: string;

beforeAll(async () => {
  postgres = await startTestPostgres();
  url = await postgres.createDatabase("monolith");
  await migrate({
    url,
    sets: [
      { service: "user", localMode: "CONTROL", migrations: [] },
      { service: "organization", localMode: "CELL", migrations: [] },
    ],
  });
  pool = new pg.Pool({ connectionString: url, max: 8 });
  pool.on("error", () => {});
}, 30_000);

afterAll(async () => {
  await pool?.end();
  await postgres?.stop();
});

async function setSequence(value: bigint): Promise<void> {
  await pool.query("select setval('cell.snowflake_sequence', $1)", [String(value)]);
}

function nowValue(): bigint {
  return BigInt(Math.floor((Date.now() - Date.UTC(2025, 0, 1)) / 1000)) << 12n;
}

async function takeFromEightConnections(each: number): Promise<string[]> {
  const clients = await Promise.all(Array.from({ length: 8 }, () => pool.connect()));
  try {
    const batches = clients.map(async (client) => {
      const sql = "select cell.next_snowflake(7)::text as id from generate_series(1, $1::int)";
      return (await client.query<{ id: string }>(sql, [each])).rows.map((row) => row.id);
    });
    return (await Promise.all(batches)).flat();
  } finally {
    for (const client of clients) client.release();
  }
}

test("an id fits 53 bits and tells its cell and, to two seconds, its time", async () => {
  const id = await nextSnowflake(pool, "CELL", 1023);
  expect(Number.isSafeInteger(Number(id))).toBe(true);
  expect(cellNumberOfSnowflake(id)).toBe(1023);
  expect(Math.abs(createdAtOfSnowflake(id).getTime() - Date.now())).toBeLessThanOrEqual(3_000);
});

test("ids are taken through a SiloDatabase, inside its transaction", async () => {
  const database = await openDatabase({ localMode: "CELL", siloName: "us1", url, entities: [] });
  const id = await database.transaction((manager) => nextSnowflake(manager, "CELL", 3));
  expect(cellNumberOfSnowflake(id)).toBe(3);
  await database.destroy();
});

test("control has a sequence of its own", async () => {
  expect(cellNumberOfSnowflake(await nextSnowflake(pool, "CONTROL", 0))).toBe(0);
});

test.each([-1, 1024, 1.5, Number.NaN])("the cell number %p is refused", async (cellNumber) => {
  await expect(nextSnowflake(pool, "CELL", cellNumber)).rejects.toThrow(RangeError);
});

test("ids are unique over eight connections, also when more than 4096 a second are taken", async () => {
  const ids = await takeFromEightConnections(4_000);
  expect(new Set(ids).size).toBe(32_000);
});

test("ids are unique while the sequence catches up with the clock from eight connections, and it catches up", async () => {
  for (let round = 1; round <= 20; round += 1) {
    await setSequence(nowValue() - (BigInt(3_600 * round) << 12n));
    const ids = await takeFromEightConnections(20);
    expect(new Set(ids).size).toBe(160);
    expect(Math.abs(createdAtOfSnowflake(ids.at(-1) as string).getTime() - Date.now())).toBeLessThanOrEqual(3_000);
  }
});

test("the sequence is never set back: with a clock an hour slow, ids go on growing", async () => {
  await setSequence(nowValue() + (3_600n << 12n));
  const first = BigInt(await nextSnowflake(pool, "CELL", 1));
  const second = BigInt(await nextSnowflake(pool, "CELL", 1));
  expect(second >> 10n).toBe((first >> 10n) + 1n);
  expect(createdAtOfSnowflake(first).getTime()).toBeGreaterThan(Date.now() + 3_500_000);
});

test("a long transaction that moved the sequence up makes nobody wait", async () => {
  await setSequence(nowValue() - (60n << 12n));
  const slow = await pool.connect();
  try {
    await slow.query("begin");
    await nextSnowflake(slow, "CELL", 1);
    await setSequence(nowValue() - (60n << 12n));
    await pool.query("begin; set local statement_timeout = 1000; select cell.next_snowflake(1); commit");
    const { rows } = await pool.query("select from pg_locks where locktype = 'advisory'");
    expect(rows).toHaveLength(0);
    await slow.query("rollback");
  } finally {
    slow.release();
  }
});

test("a caller that is cancelled while it waits keeps no lock", async () => {
  const holder = await pool.connect();
  const waiter = await pool.connect();
  try {
    await holder.query("select pg_advisory_lock(1667591276, 3)");
    await setSequence(nowValue() - (60n << 12n));
    await waiter.query("set statement_timeout = 50");
    await expect(nextSnowflake(waiter, "CELL", 1)).rejects.toThrow("statement timeout");
    await holder.query("select pg_advisory_unlock(1667591276, 3)");
    await nextSnowflake(holder, "CELL", 1);
    const { rows } = await holder.query("select from pg_locks where locktype = 'advisory'");
    expect(rows).toHaveLength(0);
  } finally {
    holder.release(true);
    waiter.release(true);
  }
});
