import { expect, test } from "@jest/globals";
import { contentSource, OutboxTests, range } from "./test-support.js";

const tests = OutboxTests.install();

test("a state is read for the destination that is told: what is gone for one is there for another", async () => {
  const read = async (_db: unknown, ids: readonly string[], destination: string) =>
    new Map(ids.map((id) => [id, Buffer.from(`${destination} sees ${id}`)] as const));
  await tests.bench.pool.query(
    "select control.outbox_write(array['us1', 'us2', 'de1'], 1, 7, 1, 70), control.outbox_write(array['us1'], 1, 7, 1, 71)",
  );
  tests.start({
    sources: [{ ...contentSource(1), read: async (...args) => (args[2] === "us2" ? new Map() : read(...args)) }],
  });
  await tests.untilEmpty();
  expect(Object.fromEntries(tests.receiver.states)).toEqual({
    "us1/7/1/70": "us1 sees 70",
    "us1/7/1/71": "us1 sees 71",
    "us2/7/1/70": "",
    "de1/7/1/70": "de1 sees 70",
  });
});

test("a call carries no more bytes than it may, but for one message that has more, and none is lost or out of order", async () => {
  const calls: number[][] = [];
  const deliver = tests.receiver.deliver.bind(tests.receiver);
  tests.receiver.deliver = (destination, messages, options) => {
    calls.push(messages.map(({ content }) => content?.length ?? 0));
    return deliver(destination, messages, options);
  };
  const sizes = [400, 700, 5_000, 10, 10, 900, 300];
  await tests.write(
    range(70, (index) => ({ shard: index % 5, object: index, text: "x".repeat(sizes[index % sizes.length] ?? 0) })),
  );
  tests.start({ limits: { batchBytesMax: 1_000 } });
  await tests.untilEmpty();
  const tooLarge = calls.filter((call) => call.length > 1 && call.reduce((sum, size) => sum + size, 0) > 1_000);
  expect([tooLarge, tests.receiver.states.size, tests.receiver.inversions]).toEqual([[], 70, 0]);
  expect(calls.some((call) => call.length > 1)).toBe(true);
});
