import { create } from "@bufbuild/protobuf";
import { type MessageBatch, MessageBatchSchema, Outcome } from "@cellway/gen/cellway/outbox/v1/outbox";
import { createContractValidator } from "@cellway/rpc";
import { describe, expect, test } from "@jest/globals";
import { createInbox, type Inbox } from "./inbox.js";
import { contentSource, createGate } from "./test-support.js";

const ROUTE = { sender: "us1", recipient: "control" };

class TransientError extends Error {}

/** An inbox whose one category is applied by `apply`. */
function openInbox(apply: (message: { shardId: string; objectId: string }) => Promise<void>): Inbox {
  return createInbox({
    receivers: [{ category: { ...contentSource(1).category, scope: 2 }, apply }],
    validator: createContractValidator(),
    ownershipOf: () => Promise.resolve("sender"),
    isTransient: (error) => error instanceof TransientError,
    onBug: () => {},
  });
}

/** Messages of one category; each named by its shard and its object. */
function batchOf(budgetMs: number, ...messages: (readonly [shard: number, object: number])[]): MessageBatch {
  return create(MessageBatchSchema, {
    budgetMs,
    messages: messages.map(([shard, object]) => ({
      category: 1,
      shardId: String(shard),
      objectId: String(object),
      version: "1",
    })),
  });
}

async function outcomesOf(inbox: Inbox, batch: MessageBatch): Promise<string[]> {
  return (await inbox.take(batch, ROUTE)).map(({ outcome }) => Outcome[outcome] ?? "");
}

describe("a batch whose time is over", () => {
  test("answers what hangs as unfinished, and what was not begun as skipped: that is nobody's fault", async () => {
    const gate = createGate();
    const inbox = openInbox(({ shardId }) => (Number(shardId) <= 16 ? gate.passed : Promise.resolve()));
    const shards = Array.from({ length: 20 }, (_, index) => [index + 1, 1] as const);
    const outcomes = await outcomesOf(inbox, batchOf(30, ...shards, [1, 2]));
    expect(outcomes.slice(0, 16)).toEqual(Array.from({ length: 16 }, () => "UNFINISHED"));
    expect(outcomes.slice(16)).toEqual(Array.from({ length: 5 }, () => "SKIPPED"));
    gate.open();
  });

  test("begins no other message after its answer", async () => {
    const gate = createGate();
    const begun: string[] = [];
    const inbox = openInbox(({ objectId }) => {
      begun.push(objectId);
      return objectId === "2" ? gate.passed : Promise.resolve();
    });
    expect(await outcomesOf(inbox, batchOf(30, [1, 1], [1, 2], [1, 3]))).toEqual([
      "DELIVERED",
      "UNFINISHED",
      "SKIPPED",
    ]);
    gate.open();
    await new Promise((resolve) => setImmediate(resolve));
    expect(begun).toEqual(["1", "2"]);
  });
});

test("a message that fails stops its own order only", async () => {
  const inbox = openInbox(({ objectId }) =>
    objectId === "2" ? Promise.reject(new Error("a bug")) : Promise.resolve(),
  );
  expect(await outcomesOf(inbox, batchOf(1_000, [1, 1], [1, 2], [1, 3], [2, 3]))).toEqual([
    "DELIVERED",
    "FAILED",
    "SKIPPED",
    "DELIVERED",
  ]);
});

test("an error that is none of the messages' fails the batch, and nothing is begun after it", async () => {
  const gate = createGate();
  const begun: string[] = [];
  const inbox = openInbox(async ({ shardId, objectId }) => {
    begun.push(`${shardId}/${objectId}`);
    if (shardId === "1") throw new TransientError();
    await gate.passed;
  });
  await expect(inbox.take(batchOf(1_000, [1, 1], [2, 1], [2, 2]), ROUTE)).rejects.toThrow(TransientError);
  gate.open();
  await new Promise((resolve) => setImmediate(resolve));
  expect(begun).toEqual(["1/1", "2/1"]);
});
