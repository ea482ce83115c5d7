import { describe, expect, test } from "@jest/globals";
import { contentSource, createGate, eventually, OutboxTests, range } from "./test-support.js";

const tests = OutboxTests.install();
const SHARD = { scope: 1, shardId: "1" };
/** Whether a flush asks what has become of its rows. */
const isQuestion = (sql: string) => sql.includes("as error from");

describe("a flush", () => {
  test("of a very deep shard waits for all of it, and for nothing that comes later", async () => {
    const outbox = tests.start();
    await tests.write(range(2_500, (index) => ({ shard: 1, object: index })));
    await outbox.flush(SHARD, { timeoutMs: 20_000 });
    expect(tests.receiver.received).toHaveLength(2_500);
  });

  test("asks the database once at a time, also when it is slow", async () => {
    // Nobody loses the lease while the machine is busy.
    const limits = { leaseMs: 60_000 };
    const delivery = createGate();
    let isDelivered = false;
    tests.receiver.admit = () => delivery.passed;
    const owner = tests.start({ limits });
    await eventually(() => owner.isOwner);
    let asked = 0;
    const other = tests.start({ limits, onQuery: (sql) => void (asked += isQuestion(sql) ? 1 : 0) });
    let asking = 0;
    let most = 0;
    let answered = 0;
    const slow = tests.start({
      limits,
      onQuery: async (sql) => {
        if (!isQuestion(sql)) return;
        asking += 1;
        most = Math.max(most, asking);
        // Each takes as long as several of the other, which looks as often.
        const before = asked;
        await eventually(() => isDelivered || asked >= before + 5);
        asking -= 1;
        answered += 1;
      },
    });
    await tests.write([{ shard: 1, object: 1 }]);
    const flushes = Promise.all([other, slow].map((outbox) => outbox.flush(SHARD, { timeoutMs: 30_000 })));
    await eventually(() => answered >= 3);
    isDelivered = true;
    delivery.open();
    await flushes;
    expect(most).toBe(1);
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
