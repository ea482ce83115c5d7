import { describe, expect, test } from "@jest/globals";
import { eventually, OutboxTests, range } from "./test-support.js";

const tests = OutboxTests.install();

describe("delivery", () => {
  test("brings every change, in order within its shard, and leaves nothing behind", async () => {
    await tests.write(range(300, (index) => ({ shard: index % 7, object: index, text: `t${index}` })));
    tests.start();
    await tests.untilEmpty();
    expect(tests.receiver.received).toHaveLength(300);
    expect(tests.receiver.inversions).toBe(0);
    expect(tests.receiver.states.get("us1/3/1/3")).toBe("t3");
  });

  test("of rows of one object is one message: the newest content at the place of the oldest", async () => {
    await tests.write([
      { shard: 1, object: 1, text: "old" },
      { shard: 1, object: 2, text: "b" },
      { shard: 1, object: 1, text: "new" },
    ]);
    tests.start();
    await tests.untilEmpty();
    expect(tests.receiver.received.map((message) => Buffer.from(message.content ?? []).toString())).toEqual([
      "new",
      "b",
    ]);
  });

  test("is made by one process at a time, and by another once the first has stopped", async () => {
    const [first, second] = [tests.start(), tests.start()];
    await eventually(() => first.isOwner || second.isOwner);
    await tests.write([{ shard: 1, object: 1 }]);
    await tests.untilEmpty();
    expect(first.isOwner && second.isOwner).toBe(false);
    const owner = first.isOwner ? first : second;
    const other = owner === first ? second : first;
    await owner.stop();
    await eventually(() => other.isOwner);
    await tests.write([{ shard: 1, object: 2 }]);
    await tests.untilEmpty();
    expect(tests.receiver.received.map((message) => message.objectId)).toEqual(["1", "2"]);
  });

  test("of what a flush waits for is over when it answers, also when another process delivers", async () => {
    const [first, second] = [tests.start(), tests.start()];
    await eventually(() => first.isOwner || second.isOwner);
    for (const [object, outbox] of [first, second].entries()) {
      await tests.write([{ shard: 9, object }]);
      await outbox.flush({ scope: 1, shardId: "9" });
      expect(tests.receiver.received.map((message) => message.objectId)).toContain(String(object));
    }
  });

  test("that fails makes a flush say that the change is committed and goes on by itself", async () => {
    const outbox = tests.start({ limits: { backoffMs: 50 } });
    let isBroken = true;
    tests.receiver.handle = () => {
      if (isBroken) throw new Error("INTERNAL");
    };
    await tests.write([{ shard: 1, object: 1 }]);
    const error = await outbox.flush({ scope: 1, shardId: "1" }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: "OutboxFlushError", isCommitted: true });
    isBroken = false;
    await tests.untilEmpty();
    expect(tests.receiver.received).toHaveLength(1);
  });
});
