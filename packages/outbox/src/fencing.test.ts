import { describe, expect, test } from "@jest/globals";
import { LeaseLostError, OutboxStore } from "./store.js";
import { contentSource, createGate, eventually, OutboxTests, range } from "./test-support.js";

const tests = OutboxTests.install();

/** Another process takes the outbox over, as if the lease of its owner were over. */
async function takeOver(): Promise<void> {
  await tests.query(
    "update control.outbox_lease set holder = gen_random_uuid(), epoch = epoch + 1, expires_at = now() + interval '1 minute'",
  );
}

async function giveBack(): Promise<void> {
  await tests.query("update control.outbox_lease set expires_at = '-infinity'");
}

describe("an owner that another has replaced", () => {
  test("deletes nothing of what was under way: the next one delivers it", async () => {
    const gate = createGate();
    tests.receiver.handle = () => gate.passed;
    const late = tests.start({ limits: { leaseMs: 60_000, budgetMs: 10_000 } });
    await tests.write(range(10, (index) => ({ shard: index % 2, object: index })));
    await eventually(() => tests.receiver.calls.get("us1") === 1);
    await takeOver();
    gate.open();
    await eventually(() => late.log.some((line) => line.includes("taken the outbox over")));
    expect(await tests.count()).toEqual({ hot: 10, held: 0, parked: 0, streams: 0 });
    await giveBack();
    await tests.untilEmpty();
    expect(tests.receiver.received).toHaveLength(20);
  });

  test.each<[string, number, number]>([
    ["parks", 1, 1],
    ["holds", 1_000, 1],
  ])("%s nothing", async (_, attemptsMax) => {
    const gate = createGate();
    let isBroken = true;
    tests.receiver.handle = async () => {
      await gate.passed;
      if (isBroken) throw new Error("INTERNAL");
    };
    const late = tests.start({
      sources: [contentSource(1, { attemptsMax })],
      limits: { leaseMs: 60_000, budgetMs: 10_000 },
    });
    await tests.write(range(3, (index) => ({ shard: index, object: index })));
    await eventually(() => tests.receiver.calls.get("us1") === 1);
    await takeOver();
    gate.open();
    await eventually(() => late.log.some((line) => line.includes("taken the outbox over")));
    expect(await tests.count()).toEqual({ hot: 3, held: 0, parked: 0, streams: 0 });
    isBroken = false;
    await giveBack();
    await tests.untilEmpty();
  });

  test("is refused by every statement that changes rows", async () => {
    const store = new OutboxStore(tests.queryable(), "CONTROL");
    const fence = await store.takeLease("00000000-0000-4000-8000-000000000001", 60_000);
    if (fence === undefined) throw new Error("the lease was free");
    await tests.write([{ shard: 1, object: 1 }]);
    const ids = (await tests.query<{ id: string }>("select id from control.outbox")).map(({ id }) => id);
    const stream = { destination: "us1", scope: 1, shardId: "1", lane: 1 };
    await store.saveStreams(fence, [{ ...stream, state: "SLOW", attempts: 0, error: "", waitMs: 0 }]);
    await takeOver();
    const before = await tests.count();
    for (const change of [
      () => store.deleteRows(fence, "outbox", ids),
      () => store.deleteRows(fence, "outbox_held", ids),
      () => store.hold(fence, [{ id: ids[0] ?? "", lane: 1 }]),
      () => store.park(fence, ids, "INTERNAL"),
      () => store.saveStreams(fence, [{ ...stream, state: "AWAY", attempts: 9, error: "", waitMs: 0 }]),
      () => store.releaseStreams(fence, [stream]),
      () => store.unpark(fence, [{ ...stream, category: 1, objectId: "1" }]),
    ]) {
      await expect(change()).rejects.toThrow(LeaseLostError);
    }
    expect(await tests.count()).toEqual(before);
    expect(await tests.streams()).toMatchObject([{ state: "SLOW", attempts: 0 }]);
    await store.releaseLease(fence);
    expect(await store.takeLease("00000000-0000-4000-8000-000000000002", 60_000)).toBeUndefined();
  });
});

test("an owner whose renewals get no answer gives its calls up by itself, before the lease ends", async () => {
  const gate = createGate();
  let isSilent = false;
  tests.receiver.admit = () => gate.passed;
  const owner = tests.start({
    limits: { leaseMs: 3_000, budgetMs: 200, budgetAloneMs: 500 },
    onQuery: (sql) => (isSilent && sql.includes("outbox_lease set holder = $1") ? gate.passed : undefined),
  });
  await eventually(() => owner.isOwner);
  isSilent = true;
  await tests.write([{ shard: 1, object: 1 }]);
  await eventually(() => tests.receiver.calls.get("us1") === 1);
  await eventually(() => !owner.isOwner);
  const [lease] = await tests.query<{ is_over: boolean }>(
    "select expires_at < clock_timestamp() - interval '300 ms' as is_over from control.outbox_lease",
  );
  expect(lease).toEqual({ is_over: false });
  expect([tests.receiver.received.length, (await tests.count()).hot]).toEqual([0, 1]);
  isSilent = false;
  tests.receiver.admit = () => {};
  gate.open();
  await tests.untilEmpty();
});

test("a database whose clock was put back far lets another process take over from a dead one", async () => {
  const store = new OutboxStore(tests.queryable(), "CONTROL");
  await tests.query(
    "update control.outbox_lease set holder = gen_random_uuid(), expires_at = now() + interval '1 hour'",
  );
  expect(await store.takeLease("00000000-0000-4000-8000-000000000001", 5_000)).toBeDefined();
  expect(await store.takeLease("00000000-0000-4000-8000-000000000002", 5_000)).toBeUndefined();
});

test("two processes that both want the outbox deliver everything in order, however often it changes hands", async () => {
  tests.start({ limits: { leaseMs: 2_500 } });
  tests.start({ limits: { leaseMs: 2_500 } });
  for (let round = 0; round < 10; round += 1) {
    await tests.write(range(60, (index) => ({ shard: index % 6, object: round * 60 + index })));
    await eventually(() => tests.receiver.received.length > round * 60);
    await tests.query("update control.outbox_lease set holder = null, epoch = epoch + 1, expires_at = '-infinity'");
  }
  await tests.untilEmpty();
  const first = new Map<string, number>();
  for (const { shardId, objectId } of tests.receiver.received) {
    const object = Number(objectId);
    if (object > (first.get(shardId) ?? -1)) {
      expect(object - (first.get(shardId) ?? Number(shardId) - 6)).toBe(6);
      first.set(shardId, object);
    }
  }
  expect([...first.values()].toSorted((one, other) => one - other)).toEqual([594, 595, 596, 597, 598, 599]);
});

test("stopping has an end, though neither the silo nor the database answers", async () => {
  const gate = createGate();
  let isSilent = false;
  const courier = { deliver: () => gate.passed.then(() => []) };
  const outbox = tests.start({ courier, onQuery: () => (isSilent ? gate.passed : undefined) });
  await eventually(() => outbox.isOwner);
  await tests.write([{ shard: 1, object: 1 }]);
  await eventually(async () => (await tests.count()).hot === 1);
  isSilent = true;
  await outbox.stop();
  expect(outbox.isOwner).toBe(false);
  isSilent = false;
  gate.open();
});
