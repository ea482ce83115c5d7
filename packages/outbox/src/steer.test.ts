import { randomUUID } from "node:crypto";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { OutboxSelectorSchema } from "@cellway/gen/cellway/outbox/v1/operator";
import { describe, expect, test } from "@jest/globals";
import type { OutgoingMessage } from "./message.js";
import type { Outbox } from "./outbox.js";
import { OutboxStore } from "./store.js";
import { contentSource, eventually, OutboxTests, range } from "./test-support.js";

const tests = OutboxTests.install();

const textOf = ({ content }: OutgoingMessage) => Buffer.from(content ?? []).toString();
const select = (selector: MessageInitShape<typeof OutboxSelectorSchema> = {}) => create(OutboxSelectorSchema, selector);
const retryAll = ({ operator }: Pick<Outbox, "operator">, selector?: MessageInitShape<typeof OutboxSelectorSchema>) =>
  operator.retry({ selector: select(selector), pageToken: "" });

/** Parks the present state of these objects: nothing of them is taken any more, until the receiver is given another way. */
async function parkAll(objects: readonly number[]): Promise<Outbox> {
  tests.receiver.handle = () => {
    throw new Error("REFUSED");
  };
  const outbox = tests.start({ sources: [contentSource(1, { attemptsMax: 2 }), contentSource(2)] });
  await tests.write(objects.map((object) => ({ shard: 1, object, text: `parked ${object}` })));
  await eventually(async () => (await tests.count()).parked === objects.length);
  return outbox;
}

describe("retrying a parked message", () => {
  test("delivers what was parked, with a greater version than any before, in the order of the parking", async () => {
    const outbox = await parkAll([3, 1, 2]);
    const [last] = (await tests.bench.pool.query("select last_value from control.outbox_id")).rows;
    tests.receiver.handle = () => undefined;
    expect((await retryAll(outbox)).report).toMatchObject({ retried: 3, superseded: 0 });
    await tests.untilEmpty();
    expect(tests.receiver.received.map(textOf)).toEqual(["parked 3", "parked 1", "parked 2"]);
    for (const { version } of tests.receiver.received) {
      expect(BigInt(version)).toBeGreaterThan(BigInt(last.last_value));
    }
  });

  test("takes only what is selected", async () => {
    const outbox = await parkAll([1, 2]);
    tests.receiver.handle = () => undefined;
    expect((await retryAll(outbox, { destination: "us2" })).report).toMatchObject({ retried: 0 });
    expect((await retryAll(outbox, { category: "2" })).report).toMatchObject({ retried: 0 });
    expect((await retryAll(outbox, { scope: 1, shardId: "2" })).report).toMatchObject({ retried: 0 });
    expect((await tests.count()).parked).toBe(2);
    expect((await retryAll(outbox, { scope: 1, shardId: "1", category: "1" })).report).toMatchObject({ retried: 2 });
    await tests.untilEmpty();
  });

  test("leaves it where it is while a newer state of its object waits, which then replaces it", async () => {
    const outbox = await parkAll([1]);
    await outbox.operator.pause(select({ destination: "us1" }));
    tests.receiver.handle = () => undefined;
    await tests.write([{ shard: 1, object: 1, text: "newer" }]);
    expect((await retryAll(outbox)).report).toMatchObject({ retried: 0, superseded: 1 });
    expect((await tests.count()).parked).toBe(1);
    await outbox.operator.resume(select());
    await tests.untilEmpty();
    expect(tests.receiver.received.map(textOf)).toEqual(["newer"]);
  });

  test("waits for a change of its shard that is not committed yet, and then leaves the rest to it", async () => {
    const outbox = await parkAll([1]);
    const open = await tests.writeOpen([{ shard: 1, object: 1, text: "newer" }]);
    const retrying = retryAll(outbox);
    await eventually(async () => {
      const waiting = "select from pg_locks where locktype = 'advisory' and not granted";
      return (await tests.bench.pool.query(waiting)).rows.length === 1;
    });
    tests.receiver.handle = () => undefined;
    await open.end("commit");
    expect((await retrying).report).toMatchObject({ retried: 0 });
    await tests.untilEmpty();
    expect(tests.receiver.received.map(textOf)).toEqual(["newer"]);
  });

  test("takes a newer state that is being parked for waiting until it is parked, and then for what is parked", async () => {
    const outbox = await parkAll([1]);
    await outbox.stop();
    const { rows: newer } = await tests.bench.pool.query(
      `insert into control.outbox_held (id, destination, scope, shard_id, lane, category, object_id, content, created_at)
       values (nextval('control.outbox_id'), 'us1', 1, 1, 1, 1, 1, 'newer', now()) returning id`,
    );
    const fence = { holder: randomUUID(), epoch: "1000" };
    await tests.bench.pool.query("update control.outbox_lease set holder = $1, epoch = $2", [
      fence.holder,
      fence.epoch,
    ]);
    const client = await tests.bench.pool.connect();
    await client.query("begin");
    await new OutboxStore(client, "CONTROL").park(fence, [newer[0].id], "REFUSED");
    expect((await retryAll(outbox)).report).toMatchObject({ retried: 0, superseded: 1 });
    await client.query("commit");
    client.release();
    expect((await retryAll(outbox)).report).toMatchObject({ retried: 1, superseded: 0 });
    const { rows } = await tests.bench.pool.query("select convert_from(content, 'UTF8') as text from control.outbox");
    expect(rows).toEqual([{ text: "newer" }]);
  });

  test("leaves it to a newer state that is delivered, however late that replaces it", async () => {
    await (await parkAll([1])).stop();
    tests.receiver.handle = () => undefined;
    let isReplacing = false;
    let goOn = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const onQuery = async (sql: string) => {
      if (!sql.includes("delete from control.outbox_parked p")) return;
      isReplacing = true;
      await gate;
    };
    const outbox = tests.start({ onQuery });
    try {
      await tests.write([{ shard: 1, object: 1, text: "newer" }]);
      // By then whatever is not kept back is done.
      await eventually(() => isReplacing);
      await tests.write([{ shard: 2, object: 2, text: "other" }]);
      await eventually(() => tests.receiver.received.length === 2);
      expect((await retryAll(outbox)).report).toMatchObject({ retried: 0, superseded: 1 });
    } finally {
      goOn();
    }
    await tests.untilEmpty();
    expect(tests.receiver.received.map(textOf)).toEqual(["newer", "other"]);
  });

  test("goes on by page over more than one call does, each message once", async () => {
    const outbox = tests.start();
    await tests.bench.pool.query(
      `insert into control.outbox_parked (destination, scope, shard_id, category, object_id, content, error, created_at)
       select 'us1', 1, 1 + n % 3, 1, n, 'x', 'REFUSED', now() from generate_series(1, 2500) n`,
    );
    let retried = 0;
    let pageToken = "";
    do {
      const answer = await outbox.operator.retry({ pageToken });
      retried += answer.report.retried ?? 0;
      pageToken = answer.nextPageToken;
    } while (pageToken !== "");
    await tests.untilEmpty();
    expect([retried, tests.receiver.received.length]).toEqual([2_500, 2_500]);
  });

  test("never brings an older state after a newer one, whatever is written, parked and delivered meanwhile", async () => {
    let failing = true;
    tests.receiver.handle = () => {
      if (failing && Math.random() < 0.8) throw new Error("REFUSED");
    };
    const sources = [contentSource(1, { attemptsMax: 2 }), contentSource(2)];
    const outbox = tests.start({ sources, limits: { backoffMs: 1, backoffMaxMs: 2 } });
    let isOver = false;
    let retried = 0;
    const operate = async () => {
      while (!isOver) retried += (await retryAll(outbox)).report.retried ?? 0;
    };
    const operators = [operate(), operate()];
    let round = 0;
    const writeSome = async () => {
      for (const end = round + 10; round < end; ) {
        round += 1;
        await tests.write([{ shard: 1, object: round % 2, text: `${round}` }]);
      }
      // Now and then nothing newer waits: then what is parked is put back while the next is written.
      await eventually(async () => {
        const { hot, held } = await tests.count();
        return hot + held <= 1;
      });
      return retried >= 30 && round >= 200;
    };
    try {
      await eventually(writeSome, 40_000);
    } finally {
      isOver = true;
      await Promise.all(operators);
    }
    failing = false;
    await eventually(async () => {
      await retryAll(outbox);
      const { hot, held, parked } = await tests.count();
      return hot + held + parked === 0;
    });
    for (const object of ["0", "1"]) {
      const told = tests.receiver.received
        .filter((message) => message.objectId === object)
        .map(textOf)
        .map(Number);
      expect(told).toEqual([...told].sort((one, other) => one - other));
      expect(told.at(-1)).toBe(round % 2 === Number(object) ? round : round - 1);
    }
  }, 60_000);
});

test("a stream that backs off for long is tried at once when an operator wants it, though rows keep coming to it", async () => {
  let isBroken = true;
  tests.receiver.handle = () => {
    if (isBroken) throw new Error("REFUSED");
  };
  const outbox = tests.start({ limits: { backoffMs: 3_600_000, backoffMaxMs: 3_600_000 } });
  await tests.write([{ shard: 1, object: 0 }]);
  await eventually(async () => (await tests.count()).streams === 1);
  isBroken = false;
  let isOver = false;
  const writing = (async () => {
    for (let object = 1; !isOver; object += 1) await tests.write([{ shard: 1, object }]);
  })();
  // The pump writes down when it tries again with each row that comes to the stream.
  await eventually(async () => (await tests.count()).held > 20);
  expect((await retryAll(outbox)).report).toMatchObject({ streams: 1 });
  await eventually(() => tests.receiver.received.length > 0);
  isOver = true;
  await writing;
  await tests.untilEmpty();
  expect(tests.receiver.inversions).toBe(0);
});

describe("pausing", () => {
  test.each([
    ["a shard", { scope: 1, shardId: "1" }],
    ["a category", { category: "1" }],
    ["a destination", { destination: "us1" }],
  ])(
    "%s keeps its rows, those that come later too, while others flow; resuming delivers them in order",
    async (_, selector) => {
      const outbox = tests.start();
      await outbox.operator.pause(select(selector));
      // Looked at twice a second.
      await eventually(async () => {
        await tests.write([{ shard: 1, object: 99 }]);
        return (await tests.count()).streams === 1;
      });
      const before = tests.receiver.received.length;
      await tests.write(range(20, (object) => ({ shard: 1, object })));
      await tests.write(range(20, (object) => ({ shard: 2, object, category: 2, to: "us2" })));
      await eventually(() => tests.receiver.received.filter(({ destination }) => destination === "us2").length === 20);
      await eventually(async () => (await tests.count()).hot === 0);
      expect(tests.receiver.received.length - before).toBe(20);
      expect((await outbox.operator.resume(select(selector))).removed).toBe(1);
      await tests.untilEmpty();
      expect(tests.receiver.received.slice(-20).map(({ objectId }) => Number(objectId))).toEqual(
        range(20, (object) => ({ shard: 1, object })).map(({ object }) => object),
      );
      expect(tests.receiver.inversions).toBe(0);
    },
  );

  test("twice is one pause, and resuming something takes back only pauses that say all of it", async () => {
    const outbox = tests.start();
    await outbox.operator.pause(select({ destination: "us1" }));
    await outbox.operator.pause(select({ destination: "us1" }));
    const { pauses } = await outbox.operator.pause(select({ destination: "us1", category: "2" }));
    expect(pauses).toHaveLength(2);
    const answer = await outbox.operator.resume(select({ category: "2" }));
    expect([answer.removed, answer.pauses.map(({ selector }) => selector)]).toEqual([
      1,
      [{ destination: "us1", scope: 0, category: "" }],
    ]);
  });
});
