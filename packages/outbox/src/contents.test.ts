import { describe, expect, test } from "@jest/globals";
import { coalesceWithTable, type DeliveryOptions, deliverOnce } from "./delivery.js";
import { CONTENT_BYTES_MAX } from "./limits.js";
import type { OutgoingMessage } from "./message.js";
import { MessageQueue, type Taken } from "./message-queue.js";
import { OutboxStore } from "./store.js";
import { contentSource, eventually, OutboxTests, range } from "./test-support.js";

const tests = OutboxTests.install();

const SIGNAL = new AbortController().signal;

/** What delivers to `told`. */
function createOptions(store: OutboxStore, told: OutgoingMessage[]): DeliveryOptions {
  return {
    store,
    sources: new Map([[1, contentSource(1)]]),
    courier: {
      async deliver(_destination, messages) {
        told.push(...messages);
        return messages.map(() => ({ kind: "delivered" }));
      },
    },
    limits: { batchBytesMax: 1_000 },
    describeError: String,
    isSessionError: () => true,
  };
}

/** A written row, read into a queue and taken from it. */
async function takeRow(store: OutboxStore): Promise<{ queue: MessageQueue; taken: Taken[]; id: string }> {
  await tests.write([{ shard: 1, object: 1, text: "old" }]);
  const [row] = await store.follow().next(10);
  if (row === undefined) throw new Error("a row was written");
  const queue = new MessageQueue();
  queue.add(1, row);
  return { queue, taken: queue.take("us1", { batchMax: 10, streamBatchMax: 10 }), id: row.id };
}

describe("a held message that coalesces with a row that is not held yet", () => {
  test.each<[string, string, string | undefined]>([
    ["is told with that row's content", "convert_to('new', 'UTF8')", "new"],
    ["is told as gone when that row says so", "null", undefined],
  ])("%s", async (_, content, expected) => {
    const store = new OutboxStore(tests.queryable(), "CONTROL");
    const told: OutgoingMessage[] = [];
    const fence = await store.takeLease("00000000-0000-4000-8000-000000000001", 60_000);
    if (fence === undefined) throw new Error("the lease was free");
    const { queue, taken, id } = await takeRow(store);
    await store.hold(fence, [{ id, lane: 1 }]);
    await tests.query(`select control.outbox_write(array['us1'], 1, 1, 1, 1, ${content})`);
    const delivery = { from: "outbox_held" as const, destination: "us1", taken, budgetMs: 100, signal: SIGNAL };
    expect(await coalesceWithTable(store, queue, delivery)).toMatchObject([{ place: "outbox" }]);
    expect(await deliverOnce(createOptions(store, told), delivery)).toEqual([[{ kind: "delivered" }]]);
    expect(told.map((message) => message.content && Buffer.from(message.content).toString())).toEqual([expected]);
  });
});

test("a message whose row another process has told and deleted is not told as gone", async () => {
  const store = new OutboxStore(tests.queryable(), "CONTROL");
  const told: OutgoingMessage[] = [];
  const { taken } = await takeRow(store);
  await tests.query("delete from control.outbox");
  const delivery = { from: "outbox" as const, destination: "us1", taken, budgetMs: 100, signal: SIGNAL };
  expect(await deliverOnce(createOptions(store, told), delivery)).toEqual([[{ kind: "delivered" }]]);
  expect(told).toEqual([]);
});

test("large contents travel in several calls, each of which its silo takes", async () => {
  const sizes: number[] = [];
  tests.start({
    courier: {
      deliver(destination, messages, options) {
        sizes.push(messages.reduce((sum, message) => sum + (message.content?.length ?? 0), 0));
        return tests.receiver.deliver(destination, messages, options);
      },
    },
  });
  await tests.write(range(40, (index) => ({ shard: index % 3, object: index, text: "x".repeat(200_000) })));
  await tests.untilEmpty();
  expect([tests.receiver.received.length, tests.receiver.inversions]).toEqual([40, 0]);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(1024 * 1024);
});

test("a content that no call can carry is held with that reason, and the others go on", async () => {
  tests.start({ sources: [contentSource(1, { attemptsMax: 1_000 })] });
  await tests.query("select control.outbox_write(array['us1'], 1, 1, 1, 1, convert_to(repeat('x', $1), 'UTF8'))", [
    CONTENT_BYTES_MAX + 1,
  ]);
  await tests.write([{ shard: 2, object: 2 }]);
  await eventually(() => tests.receiver.received.length === 1);
  await eventually(
    async () => (await tests.streams())[0]?.error === `CONTENT_TOO_LARGE: ${CONTENT_BYTES_MAX + 1} bytes`,
  );
  await eventually(async () => (await tests.count()).held === 1);
  await tests.query("delete from control.outbox_held");
  await tests.untilEmpty();
});
