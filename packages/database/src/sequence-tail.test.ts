import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import pg from "pg";
import type { EmbeddedPostgres } from "./embedded/start-embedded-postgres.js";
import { createSequenceTail, type SequenceTail } from "./sequence-tail.js";
import { startTestPostgres } from "./test-support.js";

interface Row {
  readonly id: string;
  readonly text: string;
}

let postgres: EmbeddedPostgres;
let pool: pg.Pool;
let tail: SequenceTail<Row>;

beforeAll(async () => {
  postgres = await startTestPostgres();
  pool = new pg.Pool({ connectionString: await postgres.createDatabase("tail"), max: 12 });
  pool.on("error", () => {}); // The server may be gone before its last connection.
  await pool.query("create table entry (id bigint generated always as identity primary key, text text not null)");
}, 30_000);

afterAll(async () => {
  await pool?.end();
  await postgres?.stop();
});

beforeEach(async () => {
  await pool.query("truncate entry restart identity");
  tail = follow("0");
});

function follow(afterId: string): SequenceTail<Row> {
  const query = (sql: string, parameters?: unknown[]) => pool.query(sql, parameters);
  return createSequenceTail<Row>({ query, table: "entry", columns: "id, upper(text) is null as never, text", afterId });
}

async function write(...texts: string[]): Promise<void> {
  await pool.query("insert into entry (text) select unnest($1::text[])", [texts]);
}

/** A transaction that has taken ids for `texts` and is not over. */
async function writeOpen(...texts: string[]): Promise<{ end(how: "commit" | "rollback"): Promise<void> }> {
  const client = await pool.connect();
  await client.query("begin");
  await client.query("insert into entry (text) select unnest($1::text[])", [texts]);
  return {
    async end(how) {
      await client.query(how);
      client.release();
    },
  };
}

async function read(limit = 100): Promise<string[]> {
  return (await tail.next(limit)).map((row) => row.text);
}

test("every row is given once, in order of id, in pieces of the limit", async () => {
  await write("a", "b", "c");
  expect(await read(2)).toEqual(["a", "b"]);
  await write("d");
  expect(tail.isAtEnd).toBe(false);
  expect([await read(2), tail.isAtEnd, await read(2)]).toEqual([["c", "d"], true, []]);
  expect(tail.settledId).toBe("4");
});

test("a reader that begins after an id is not given it", async () => {
  await write("a", "b", "c");
  tail = follow("2");
  expect(await read()).toEqual(["c"]);
});

test("rows that were deleted before they were read are not waited for", async () => {
  await write("a", "b", "c", "d");
  await pool.query("delete from entry where text in ('a', 'c')");
  expect(await read()).toEqual(["b", "d"]);
  expect(await read()).toEqual([]);
  expect([tail.settledId, tail.missing]).toEqual(["4", 0]);
});

describe("a transaction that commits late", () => {
  test("is not skipped, and holds up nobody else", async () => {
    await write("a");
    const late = await writeOpen("late 1", "late 2");
    await write("b");
    expect(await read()).toEqual(["a", "b"]);
    expect([tail.settledId, tail.missing]).toEqual(["1", 2]);
    await write("c");
    expect(await read()).toEqual(["c"]);
    await late.end("commit");
    expect(await read()).toEqual(["late 1", "late 2"]);
    expect([tail.settledId, tail.missing]).toEqual(["5", 0]);
  });

  test("comes before what was written after it, also when both commit between the statements of one reading", async () => {
    const late = await writeOpen("late");
    await write("a");
    let afterStatement = async () => {};
    const query = async (sql: string, parameters?: unknown[]) => {
      const result = await pool.query(sql, parameters);
      await afterStatement();
      return result;
    };
    tail = createSequenceTail<Row>({ query, table: "entry", columns: "id, text", afterId: "0" });
    expect(await read()).toEqual(["a"]);
    afterStatement = async () => {
      afterStatement = async () => {};
      await late.end("commit");
      await write("after late");
    };
    expect([...(await read()), ...(await read())]).toEqual(["late", "after late"]);
  });

  test("is not skipped while others come and go, nor when a rolled back one lies around it", async () => {
    const rolledBack = await writeOpen("never 1");
    const late = await writeOpen("late");
    const alsoRolledBack = await writeOpen("never 2");
    await write("a");
    expect(await read()).toEqual(["a"]);
    await rolledBack.end("rollback");
    for (let round = 0; round < 5; round += 1) {
      await write(`round ${round}`);
      expect(await read()).toEqual([`round ${round}`]);
    }
    await alsoRolledBack.end("rollback");
    await late.end("commit");
    expect(await read()).toEqual(["late"]);
    await read();
    await read();
    expect([tail.settledId, tail.missing]).toEqual(["9", 0]);
  });

  test("that had done something else long before it wrote here is not skipped", async () => {
    const client = await pool.connect();
    await client.query("begin; select pg_current_xact_id()");
    await write("a");
    await read();
    await client.query("insert into entry (text) values ('late')");
    await write("b");
    expect(await read()).toEqual(["b"]);
    await client.query("commit");
    client.release();
    expect(await read()).toEqual(["late"]);
  });
});

test("what was rolled back is given up once nobody can commit it any more, and not before", async () => {
  const open = await writeOpen("other");
  const rolledBack = await writeOpen("never");
  await write("a");
  await rolledBack.end("rollback");
  expect(await read()).toEqual(["a"]);
  for (let round = 0; round < 3; round += 1) expect(await read()).toEqual([]);
  expect(tail.missing).toBe(2);
  await open.end("commit");
  expect(await read()).toEqual(["other"]);
  await read();
  expect([tail.settledId, tail.missing]).toEqual(["3", 0]);
});

test("an unrelated transaction that stays open delays no row", async () => {
  const client = await pool.connect();
  await client.query("begin; create temporary table unrelated (id int) on commit drop");
  await write("a");
  const rolledBack = await writeOpen("never");
  await rolledBack.end("rollback");
  await write("b");
  expect(await read()).toEqual(["a", "b"]);
  expect(tail.settledId).toBe("1");
  await client.query("commit");
  client.release();
  await read();
  await read();
  expect(tail.settledId).toBe("3");
});

test("a far jump of the sequence is followed", async () => {
  await write("a");
  await pool.query("select setval('entry_id_seq', 9000000000)");
  await write("b");
  expect([await read(5), tail.isAtEnd]).toEqual([["a"], false]);
  expect([await read(5), tail.isAtEnd]).toEqual([["b"], true]);
  await read();
  await read();
  expect([tail.settledId, tail.missing]).toEqual(["9000000001", 0]);
});

test("rows are read by their key, also on a large table that was never analyzed", async () => {
  await pool.query("insert into entry (text) select 'x' from generate_series(1, 30000)");
  const plans: string[] = [];
  const explained = createSequenceTail<Row>({
    query: async (sql, parameters) => {
      const { rows } = await pool.query(`explain (analyze, format json) ${sql}`, parameters);
      plans.push(JSON.stringify(rows));
      return [];
    },
    table: "entry",
    columns: "id, text",
    afterId: "29000",
  });
  await explained.next(100);
  expect(plans.join()).not.toContain("Seq Scan");
});

test("a query that fails loses nothing", async () => {
  let failures = 0;
  tail = createSequenceTail<Row>({
    query: async (sql, parameters) => {
      failures += 1;
      if (failures % 2 === 1) throw new Error("gone");
      return pool.query(sql, parameters);
    },
    table: "entry",
    columns: "id, upper(text) is null as never, text",
    afterId: "0",
  });
  const late = await writeOpen("late");
  await write("a");
  const seen: string[] = [];
  for (let round = 0; round < 40; round += 1) {
    if (round === 20) await late.end("commit");
    seen.push(...(await read().catch(() => [])));
  }
  expect(seen.sort()).toEqual(["a", "late"]);
});

test("eight writers at once, some rolling back: every committed row is given exactly once", async () => {
  let isWriting = true;
  const committed: string[] = [];
  const writers = Array.from({ length: 8 }, async (_, writer) => {
    for (let turn = 0; turn < 40; turn += 1) {
      const texts = Array.from({ length: 1 + (turn % 3) }, (_row, index) => `${writer}/${turn}/${index}`);
      const open = await writeOpen(...texts);
      const isKept = (turn + writer) % 4 !== 0;
      await open.end(isKept ? "commit" : "rollback");
      if (isKept) committed.push(...texts);
    }
  });
  const done = Promise.all(writers).finally(() => {
    isWriting = false;
  });
  const seen: string[] = [];
  while (isWriting) seen.push(...(await read(50)));
  await done;
  for (let rows = await read(50); rows.length > 0 || tail.missing > 0; rows = await read(50)) seen.push(...rows);
  expect(seen).toHaveLength(committed.length);
  expect([...seen].sort()).toEqual([...committed].sort());
});
