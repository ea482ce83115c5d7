import { rowsOf } from "@cellway/database";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { OutboxLimits } from "./limits.js";
import type { Outbox } from "./outbox.js";
import type { OutboxSource } from "./source.js";
import { contentSource, eventually, OutboxTests } from "./test-support.js";

const tests = OutboxTests.install();
const query = (sql: string, parameters?: unknown[]) => tests.bench.pool.query(sql, parameters);

beforeAll(async () => {
  await query("create table control.thing (id bigint primary key, shard bigint not null, name text not null)");
  await query("select control.outbox_track('thing', 7, 1, 'shard', 'id', 'array[''us1'', ''us2'']')");
});

beforeEach(async () => {
  await query("truncate control.outbox_backfill, control.outbox_report, control.outbox_retry");
});

afterEach(async () => {
  await query("truncate control.thing");
  // Not told of: a truncation has no rows.
  await query("truncate control.outbox, control.outbox_held");
});

/** The table as a version of the code replicates it: what it tells begins with the version. */
function things(replicationVersion: number, name = "thing", category = 7): OutboxSource {
  return {
    category: { ...contentSource(category).category, attemptsMax: 1_000 },
    table: { name, shardColumn: "shard", objectColumn: "id" },
    replicationVersion,
    async read(db, ids) {
      const rows = rowsOf<{ id: string; name: string }>(
        await db.query(`select id, name from control.${name} where id = any($1::bigint[])`, [ids]),
      );
      return new Map(rows.map(({ id, name }) => [id, Buffer.from(`v${replicationVersion} ${name}`)]));
    },
  };
}

/** `count` rows in ten shards, as if they had been told of long ago. */
async function fill(count: number): Promise<void> {
  await query("insert into control.thing select n, n % 10, 'thing ' || n from generate_series(1, $1::int) n", [count]);
  await query("delete from control.outbox");
}

/** How often an outbox has looked for tables that are not done. */
interface Looks {
  looks: number;
}

function start(version: number, limits: Partial<OutboxLimits> = {}): Outbox & Looks {
  const counted: Looks = { looks: 0 };
  const onQuery = (sql: string) => {
    if (sql.includes("where not is_done")) counted.looks += 1;
  };
  const sources = [things(version)];
  const outbox = tests.start({ sources, limits: { backfillMessagesPerSecond: 1_000_000, ...limits }, onQuery });
  return Object.defineProperty(Object.assign(outbox, counted), "looks", { get: () => counted.looks });
}

/** Until an outbox that delivers has looked again for something to do, twice. */
async function untilLooked(outbox: Looks): Promise<void> {
  const before = outbox.looks;
  await eventually(() => outbox.looks >= before + 2);
}

const rowOf = async () => (await query("select * from control.outbox_backfill where category = 7")).rows[0];
const untilVersion = (version: number) =>
  eventually(async () => {
    const row = await rowOf();
    return row?.version === version && row.is_done;
  }, 20_000);
const adopt = (version: number) =>
  query("insert into control.outbox_backfill (category, version) values (7, $1)", [version]);

/** What each destination knows of each object. */
async function expectAllTold(version: number): Promise<void> {
  const { rows } = await query("select id, shard, name from control.thing");
  const expected = rows.flatMap(({ id, shard, name }) =>
    ["us1", "us2"].map((destination) => [`${destination}/${shard}/7/${id}`, `v${version} ${name}`]),
  );
  expect(Object.fromEntries(tests.receiver.states)).toEqual(Object.fromEntries(expected));
}

describe("a version that is raised", () => {
  test("has every row told of anew, to each of its destinations, once", async () => {
    await fill(700);
    await adopt(1);
    start(2);
    await untilVersion(2);
    await tests.untilEmpty();
    await expectAllTold(2);
    expect(tests.receiver.received).toHaveLength(1_400);
    expect(await rowOf()).toMatchObject({ done_count: "700", total_count: "700" });
  });

  test("is known to a database whose table was empty then, without any work", async () => {
    const outbox = start(3);
    await untilVersion(3);
    await query("insert into control.thing values (1, 1, 'first')");
    await tests.untilEmpty();
    await outbox.stop();
    start(3);
    await query("insert into control.thing values (2, 2, 'second')");
    await tests.untilEmpty();
    expect(tests.receiver.received).toHaveLength(4);
    expect(await rowOf()).toMatchObject({ version: 3, started_at: null });
  });

  test("is 1 for a table that had rows before it was tracked: all of them are told of, as what changes meanwhile", async () => {
    await query("create table control.old_thing (id bigint primary key, shard bigint not null, name text not null)");
    await query("insert into control.old_thing select n, n % 10, 'old ' || n from generate_series(1, 300) n");
    await query("select control.outbox_track('old_thing', 8, 1, 'shard', 'id', 'array[''us1'']')");
    tests.start({ sources: [things(1, "old_thing", 8)] });
    await query("insert into control.old_thing values (301, 1, 'old 301')");
    await eventually(() => tests.receiver.states.size === 301, 20_000);
    await tests.untilEmpty();
    expect(tests.receiver.states.get("us1/7/8/7")).toBe("v1 old 7");
    await query("drop table control.old_thing");
    await query("delete from control.outbox_tracked where category = 8");
  });

  test("is reached from 1 by a database that has rows and never heard of versions", async () => {
    await fill(20);
    start(2);
    await untilVersion(2);
    await tests.untilEmpty();
    await expectAllTold(2);
  });

  test("goes on where it was stopped, whoever goes on, and tells of every row", async () => {
    await fill(2_000);
    await adopt(1);
    const slow = { backfillMessagesPerSecond: 2_000 };
    for (let stop = 1; stop <= 3; stop += 1) {
      const outbox = start(2, slow);
      await eventually(async () => Number((await rowOf()).done_count) >= stop * 200);
      await outbox.stop();
      const { done_count, is_done, after_object_id } = await rowOf();
      expect([is_done, after_object_id]).toEqual([false, done_count]);
    }
    start(2);
    await untilVersion(2);
    await tests.untilEmpty();
    await expectAllTold(2);
    expect((await rowOf()).done_count).toBe("2000");
  });

  test("ends at what there was when it began; rows that are written, changed and deleted meanwhile arrive as they are", async () => {
    await fill(600);
    await adopt(1);
    start(2, { backfillMessagesPerSecond: 2_000 });
    await eventually(async () => Number((await rowOf()).done_count) > 100);
    for (let turn = 0; turn < 50; turn += 1) {
      await query("update control.thing set name = name || '!' where id in ($1, $2)", [1 + turn, 600 - turn]);
      await query("delete from control.thing where id = $1", [300 + turn]);
      await query("insert into control.thing values ($1::bigint, $1::bigint % 10, 'new')", [10_000 + turn]);
    }
    await untilVersion(2);
    await tests.untilEmpty();
    expect((await rowOf()).total_count).toBe("600");
    // Of what is gone is told too: its state is that there is none.
    for (const [key, state] of tests.receiver.states) if (state === "") tests.receiver.states.delete(key);
    await expectAllTold(2);
  });
});

describe("processes of two versions side by side", () => {
  test("the older one does not undo what the newer one did, nor goes on with it, nor does either repeat it", async () => {
    await fill(50);
    await adopt(1);
    const newer = start(2);
    await untilVersion(2);
    await tests.untilEmpty();
    const done = await rowOf();
    const older = start(1);
    await newer.stop();
    await eventually(() => older.isOwner);
    await query("update control.outbox_backfill set is_done = false, after_object_id = 0");
    await untilLooked(older);
    expect(await rowOf()).toMatchObject({ version: 2, is_done: false, after_object_id: "0" });
    await query("update control.outbox_backfill set is_done = true");
    const again = start(2);
    await older.stop();
    await eventually(() => again.isOwner);
    await untilLooked(again);
    expect(await rowOf()).toMatchObject({ version: 2, is_done: true, started_at: done.started_at });
    expect(tests.receiver.received).toHaveLength(100);
  });

  test("only the one that delivers writes", async () => {
    await fill(300);
    await adopt(1);
    const outboxes = [start(2), start(2), start(2)];
    await untilVersion(2);
    await tests.untilEmpty();
    expect(tests.receiver.received).toHaveLength(600);
    expect(outboxes.filter(({ isOwner }) => isOwner)).toHaveLength(1);
  });
});

describe("a backfill", () => {
  test("is begun by an operator, for a category by name, and not twice at once", async () => {
    await fill(400);
    const { operator } = start(1, { backfillMessagesPerSecond: 1 });
    await eventually(async () => (await rowOf()) !== undefined);
    const begun = await operator.startBackfill({ category: "Empty", messagesPerSecond: 500 });
    expect(begun).toMatchObject({ isStarted: true, backfill: { totalCount: "400", messagesPerSecond: 500 } });
    expect((await operator.startBackfill({ category: "7", messagesPerSecond: 100_000 })).isStarted).toBe(false);
    await eventually(async () => (await operator.listBackfills()).backfills[0]?.isDone === true);
    await tests.untilEmpty();
    await expectAllTold(1);
    await expect(operator.startBackfill({ category: "8", messagesPerSecond: 0 })).rejects.toThrow("category: ");
  });

  test("writes no more than it may in a second", async () => {
    await fill(500);
    await adopt(1);
    start(2, { backfillMessagesPerSecond: 500 });
    await untilVersion(2);
    const { rows } = await query(
      "select extract(epoch from finished_at - started_at)::float8 as seconds from control.outbox_backfill",
    );
    // 1 000 messages; the last batch is not waited for.
    expect(rows[0].seconds).toBeGreaterThan(1.5);
  }, 30_000);

  test("waits while too much of it is not delivered, and goes on by itself", async () => {
    await fill(1_000);
    await adopt(1);
    tests.receiver.away.add("us2");
    const outbox = start(2, { backfillDepthMax: 200 });
    const countAway = async () => {
      const away = (table: string) => `select from control.${table} where destination = 'us2'`;
      return (await query(`${away("outbox")} union all ${away("outbox_held")}`)).rows.length;
    };
    await eventually(async () => (await countAway()) >= 200);
    await untilLooked(outbox);
    expect((await outbox.operator.listBackfills()).backfills).toMatchObject([{ isWaiting: true, isDone: false }]);
    expect(await countAway()).toBeLessThanOrEqual(201);
    tests.receiver.away.clear();
    await untilVersion(2);
    await tests.untilEmpty();
    await expectAllTold(2);
  }, 30_000);

  test("waits for a shard that somebody has open without holding another", async () => {
    await fill(200);
    await adopt(1);
    const open = await tests.bench.pool.connect();
    await open.query("begin; update control.thing set name = 'open' where id = 15");
    start(2);
    await eventually(async () => {
      const waits = "select from pg_locks where locktype = 'advisory' and not granted";
      return (await query(waits)).rows.length === 1;
    });
    // Its writer may take any other shard: nobody waits for anybody who waits.
    await open.query("update control.thing set name = 'open' where id between 1 and 20");
    await open.query("commit");
    open.release();
    await untilVersion(2);
    await tests.untilEmpty();
    await expectAllTold(2);
  });
});
