import { reasonOf } from "@cellway/rpc";
import { expect, test } from "@jest/globals";
import { eventually, OutboxTests, range } from "./test-support.js";

const tests = OutboxTests.install();

test("when too much waits for a silo every process says so to those who ask, for that silo only, until it is told", async () => {
  tests.receiver.away.add("us1");
  const limits = { depthMax: 100, depthMs: 20, rowsMax: 50, fetchMax: 20 };
  const outboxes = [tests.start({ limits }), tests.start({ limits })];
  await tests.write(range(100, (index) => ({ shard: index, object: index })));
  await eventually(
    async () => (await tests.query("select 1 from control.outbox_depth where row_count = 100")).length > 0,
  );
  for (const outbox of outboxes) outbox.assertRoom();
  await tests.write([{ shard: 1, object: 1_000 }]);
  for (const outbox of outboxes) await eventually(() => outbox.full.includes("us1"));
  for (const outbox of outboxes) {
    for (const ask of [() => outbox.assertRoom(), () => outbox.assertRoom("us1")]) {
      expect(ask).toThrow(expect.objectContaining({ name: "ConnectError" }));
      try {
        ask();
      } catch (error) {
        expect(reasonOf(error)).toBe("OUTBOX_FULL");
      }
    }
    outbox.assertRoom("de1");
  }
  // Nothing that changes is refused for it.
  await tests.write(range(10, (index) => ({ shard: index, object: 2_000 + index })));
  tests.receiver.away.clear();
  for (const outbox of outboxes) await eventually(() => outbox.full.length === 0);
  await tests.untilEmpty();
});

test("counting costs writers nothing, and takes a small part of the time when it is slow", async () => {
  let counts = 0;
  tests.start({
    limits: { depthMs: 1 },
    onQuery: async (sql) => {
      if (!sql.includes("outbox_depth (destination")) return;
      counts += 1;
      await new Promise((resolve) => setTimeout(resolve, 100));
    },
  });
  await eventually(() => counts === 1);
  await tests.write(range(200, (index) => ({ shard: index, object: index })));
  await tests.untilEmpty();
  expect(counts).toBe(1);
});
