import { describe, expect, test } from "@jest/globals";
import { OutboxStore } from "./store.js";
import { contentSource, eventually, OutboxTests, range } from "./test-support.js";

const tests = OutboxTests.install();

/** The traps that designs of queues on PostgreSQL were measured to fall into, one test each. */
describe("trap", () => {
  test("1, lock and read in one statement: a new owner is given no row that the previous one has deleted", async () => {
    for (let round = 0; round < 5; round += 1) {
      const outbox = tests.start();
      await tests.write(range(200, (index) => ({ shard: index, object: round })));
      await tests.untilEmpty();
      await outbox.stop();
    }
    expect(tests.receiver.received).toHaveLength(1_000);
  });

  test("2, a window is not the table: objects that cycle coalesce however little is in memory", async () => {
    await tests.write(range(5_000, (index) => ({ shard: 1, object: index % 500, text: `${index}` })));
    tests.start({ limits: { rowsMax: 400, fetchMax: 100, deepMin: 300 } });
    await tests.untilEmpty();
    expect(tests.receiver.received).toHaveLength(500);
    expect(tests.receiver.states.get("us1/1/1/499")).toBe("4999");
  });

  test("3, delete by range: a lower id that commits later is delivered and not deleted with a greater one", async () => {
    const client = await tests.bench.pool.connect();
    await client.query("begin; select pg_current_xact_id()");
    // Beside the lock of the shard, which would keep the second writer waiting.
    const insert = (
      id: string,
      text: string,
    ) => `insert into control.outbox (id, destination, scope, shard_id, category, object_id, content)
      values (${id}, 'us1', 1, 1, 1, 1, '${text}')`;
    await client.query(insert("nextval('control.outbox_id')", "low"));
    await tests.bench.pool.query(insert("nextval('control.outbox_id')", "high"));
    tests.start();
    await eventually(() => tests.receiver.received.length === 1);
    await client.query("commit");
    client.release();
    await tests.untilEmpty();
    expect(tests.receiver.received).toHaveLength(2);
    expect(tests.receiver.states.get("us1/1/1/1")).toBe("high");
  });

  test("4, a fetch that began before a deletion committed: nothing is delivered twice", async () => {
    tests.start({ limits: { fetchMax: 50, batchMax: 7, streamBatchMax: 3 } });
    for (let round = 0; round < 20; round += 1) {
      await tests.write(range(100, (index) => ({ shard: index % 10, object: round * 100 + index })));
    }
    await tests.untilEmpty();
    expect(tests.receiver.received).toHaveLength(2_000);
    expect(tests.receiver.inversions).toBe(0);
  });

  test("5, a stream that is released in the middle of a fetch: its older rows still come first", async () => {
    let failures = 3;
    tests.receiver.handle = ({ shardId }) => {
      if (shardId === "1" && failures-- > 0) throw new Error("INTERNAL");
    };
    tests.start({ limits: { fetchMax: 20 } });
    for (let round = 0; round < 40; round += 1) {
      await tests.write(range(30, (index) => ({ shard: index % 3, object: round * 30 + index })));
    }
    await tests.untilEmpty();
    expect(tests.receiver.received).toHaveLength(1_200);
    expect(tests.receiver.inversions).toBe(0);
  });

  test("6, sequences are not in commit order: eight writers at once, and no message comes after a later one", async () => {
    tests.start({ limits: { fetchMax: 40 } });
    const writer = async (number: number) => {
      for (let turn = 0; turn < 25; turn += 1) {
        const transaction = await tests.writeOpen(
          range(3, (index) => ({ shard: 1 + (turn % 2), object: number * 1_000 + turn * 10 + index })),
        );
        await transaction.end("commit");
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, number) => writer(number)));
    await tests.untilEmpty();
    expect(tests.receiver.received).toHaveLength(600);
    expect([tests.receiver.inversions, tests.receiver.overlaps]).toEqual([0, 0]);
  });

  test("7, the watermark: a transaction that opened first and commits last is not skipped", async () => {
    tests.start();
    const late = await tests.writeOpen([{ shard: 1, object: 1 }]);
    for (let round = 0; round < 5; round += 1) {
      await tests.write([{ shard: 2, object: round }]);
      await eventually(() => tests.receiver.received.length === round + 1);
    }
    await late.end("commit");
    await tests.untilEmpty();
    expect(tests.receiver.received.map((message) => message.shardId)).toEqual(["2", "2", "2", "2", "2", "1"]);
  });

  test("8, sweeping anew: rows that were rolled back are waited for and hold nobody up", async () => {
    tests.start();
    for (let round = 0; round < 20; round += 1) {
      const doomed = await tests.writeOpen([{ shard: round, object: 1 }]);
      await tests.write([{ shard: 100, object: round }]);
      await doomed.end("rollback");
    }
    await tests.untilEmpty();
    expect(tests.receiver.received.map((message) => message.objectId)).toEqual(
      Array.from({ length: 20 }, (_, round) => String(round)),
    );
  });

  test("9, the planner: new rows are read by their key, on a table that was never analyzed", async () => {
    await tests.write(range(20_000, (index) => ({ shard: index, object: 1 })));
    const { rows: statistics } = await tests.bench.pool.query(
      "select reltuples from pg_class where relname = 'outbox'",
    );
    expect(statistics).toEqual([{ reltuples: -1 }]);
    const plans: string[] = [];
    const store = new OutboxStore(
      {
        async query(sql, parameters) {
          plans.push(JSON.stringify((await tests.bench.pool.query(`explain ${sql}`, parameters)).rows));
          return [];
        },
      },
      "CONTROL",
    );
    await store.follow().next(5_000);
    await store.listNewer("outbox", [
      { destination: "us1", scope: 1, shardId: "1", lane: 1, category: 1, objectId: "1", newestId: "1" },
    ]);
    expect(plans).toHaveLength(2);
    for (const plan of plans) expect(plan).not.toMatch(/Seq Scan on outbox/);
  });

  test("10, rows that wait for another time are out of the way: others flow, and so do they later", async () => {
    let isBroken = true;
    tests.receiver.handle = ({ shardId }) => {
      if (shardId === "1" && isBroken) throw new Error("INTERNAL");
    };
    tests.start({ sources: [contentSource(1, { attemptsMax: 1_000 })] });
    await tests.write(range(200, (index) => ({ shard: 1, object: index })));
    await eventually(async () => (await tests.count()).held === 200);
    for (let round = 0; round < 10; round += 1) {
      await tests.write([
        { shard: 2, object: round },
        { shard: 1, object: 1_000 + round },
      ]);
      await eventually(() => tests.receiver.received.length === round + 1);
    }
    await eventually(async () => (await tests.count()).hot === 0);
    isBroken = false;
    await tests.untilEmpty();
    expect(tests.receiver.received).toHaveLength(220);
    expect(tests.receiver.inversions).toBe(0);
  });

  test("11, stopping: it waits for what is under way, and what was not deleted is delivered by the next", async () => {
    for (let round = 0; round < 8; round += 1) {
      const outbox = tests.start();
      await tests.write(range(100, (index) => ({ shard: index % 5, object: round * 100 + index })));
      await eventually(() => tests.receiver.received.length > round * 100);
      await outbox.stop();
    }
    tests.start();
    await tests.untilEmpty();
    expect(new Set(tests.receiver.received.map((message) => message.objectId)).size).toBe(800);
  });
});
