import { describe, expect, test } from "@jest/globals";
import { contentSource, eventually, OutboxTests, range } from "./test-support.js";

const tests = OutboxTests.install();
const SHARD = { scope: 1, shardId: "1" };

describe("a flush", () => {
  test("of a very deep shard waits for all of it, and for nothing that comes later", async () => {
    const outbox = tests.start();
    await tests.write(range(2_500, (index) => ({ shard: 1, object: index })));
    await outbox.flush(SHARD, { timeoutMs: 20_000 });
    expect(tests.receiver.received).toHaveLength(2_500);
  });

  test("asks the database once at a time, also when it is slow", async () => {
    let asking = 0;
    let most = 0;
    tests.receiver.away.add("us1");
    const outbox = tests.start({
      onQuery: async (sql) => {
        if (!sql.includes("as error from")) return;
        asking += 1;
        most = Math.max(most, asking);
        await new Promise((resolve) => setTimeout(resolve, 150));
        asking -= 1;
      },
    });
    await tests.query("insert into control.outbox_pause (shard_id) values (1)");
    await tests.write([{ shard: 1, object: 1 }]);
    await outbox.flush(SHARD, { timeoutMs: 700 }).catch(() => undefined);
    expect(most).toBe(1);
    tests.receiver.away.clear();
    await tests.query("delete from control.outbox_pause");
    await tests.untilEmpty();
  });

  test("of what another process parks says so, and does not take it for delivered", async () => {
    let isBroken = true;
    tests.receiver.handle = () => {
      if (isBroken) throw new Error("INTERNAL: BROKEN");
    };
    const limits = { backoffMs: 400, backoffMaxMs: 400 };
    const owner = tests.start({ sources: [contentSource(1, { attemptsMax: 2 })], limits });
    await eventually(() => owner.isOwner);
    const other = tests.start();
    await tests.write([{ shard: 1, object: 1 }]);
    await eventually(async () => (await tests.count()).streams === 1);
    await tests.query("update control.outbox_stream set state = 'SLOW'");
    await expect(other.flush(SHARD)).rejects.toThrow("PARKED: INTERNAL: BROKEN");
    isBroken = false;
    await tests.write([{ shard: 1, object: 1 }]);
    await tests.untilEmpty();
  });
});
