import { describe, expect, test } from "@jest/globals";
import { contentSource, createGate, eventually, OutboxTests, range } from "./test-support.js";

const tests = OutboxTests.install();

describe("of what fails", () => {
  test("a category fails alone: the shard's other categories flow, it is visible, and it goes on by itself", async () => {
    let isBroken = true;
    tests.receiver.handle = ({ category }) => {
      if (category === 2 && isBroken) throw new Error("INTERNAL: BROKEN");
    };
    tests.start({ sources: [contentSource(1), contentSource(2, { attemptsMax: 1_000 })] });
    for (let round = 0; round < 20; round += 1) {
      await tests.write([1, 2].map((category) => ({ shard: 1 + (round % 2), object: round, category })));
      await eventually(() => tests.receiver.received.length === round + 1);
    }
    await eventually(async () => (await tests.count()).hot === 0);
    const streams = await tests.streams();
    expect(streams.map(({ shard_id, lane, error }) => [shard_id, lane, error])).toEqual([
      ["1", 2, "INTERNAL: BROKEN"],
      ["2", 2, "INTERNAL: BROKEN"],
    ]);
    isBroken = false;
    await tests.untilEmpty();
    expect([tests.receiver.received.length, tests.receiver.inversions]).toEqual([40, 0]);
  });

  test("a shard that has very much to tell fails alone, and tells all of it in order once it can", async () => {
    let isBroken = true;
    tests.receiver.handle = ({ shardId }) => {
      if (shardId === "1" && isBroken) throw new Error("INTERNAL");
    };
    tests.start({ sources: [contentSource(1, { attemptsMax: 1_000 })] });
    await tests.write(range(1_500, (index) => ({ shard: index < 1_400 ? 1 : 2, object: index })));
    await eventually(() => tests.receiver.received.length === 100);
    await eventually(async () => (await tests.count()).held === 1_400);
    await tests.write(range(10, (index) => ({ shard: 1, object: 2_000 + index })));
    isBroken = false;
    await tests.untilEmpty();
    expect([tests.receiver.received.length, tests.receiver.inversions]).toEqual([1_510, 0]);
  });

  test("a message that hangs costs its stream only: others flow, it is visible, and it goes on by itself", async () => {
    const gate = createGate();
    tests.receiver.handle = ({ shardId }) => (shardId === "1" ? gate.passed : undefined);
    tests.start({
      sources: [contentSource(1, { attemptsMax: 1_000 })],
      limits: { budgetMs: 20, budgetAloneMs: 50 },
    });
    await tests.write(range(50, (index) => ({ shard: 1, object: index })));
    for (let round = 0; round < 10; round += 1) {
      await tests.write([{ shard: 2, object: round }]);
      await eventually(() => tests.receiver.received.length === round + 1);
    }
    await eventually(async () => (await tests.streams())[0]?.error === "UNFINISHED: it takes too long");
    gate.open();
    await tests.untilEmpty();
    expect(new Set(tests.receiver.received.map(({ shardId, objectId }) => `${shardId}/${objectId}`)).size).toBe(60);
  });

  test("messages that hang never take all the calls that their silo may have", async () => {
    const gate = createGate();
    let hanging = 0;
    tests.receiver.handle = ({ shardId }) => {
      if (Number(shardId) > 10) return;
      hanging += 1;
      return gate.passed;
    };
    tests.start({ limits: { budgetMs: 20, budgetAloneMs: 40_000, leaseMs: 120_000 } });
    await tests.write(range(10, (index) => ({ shard: index + 1, object: 1 })));
    await eventually(() => hanging >= 12);
    await tests.write(range(100, (index) => ({ shard: 11, object: index })));
    await eventually(() => tests.receiver.received.length === 100);
    gate.open();
    await tests.untilEmpty();
  });

  test("a message that always fails is parked with its error, the ones after it are told, and a newer state replaces it", async () => {
    let isBroken = true;
    tests.receiver.handle = ({ objectId }) => {
      if (objectId === "1" && isBroken) throw new Error("FAILED_PRECONDITION: REFUSED");
    };
    tests.start({ sources: [contentSource(1, { attemptsMax: 3 })] });
    await tests.write(range(3, (index) => ({ shard: 1, object: index + 1, text: "old" })));
    await eventually(() => tests.receiver.received.length === 2);
    await eventually(async () => (await tests.count()).streams === 0);
    expect(await tests.query("select object_id, content, error from control.outbox_parked")).toEqual([
      { object_id: "1", content: Buffer.from("old"), error: "FAILED_PRECONDITION: REFUSED" },
    ]);
    isBroken = false;
    await tests.write([{ shard: 1, object: 1, text: "new" }]);
    await tests.untilEmpty();
    expect(tests.receiver.objectsOf("us1")).toEqual(["2", "3", "1"]);
    expect(tests.receiver.states.get("us1/1/1/1")).toBe("new");
  });

  test("what is parked costs the others no statement of their own", async () => {
    let statements = 0;
    tests.receiver.handle = ({ objectId }) => {
      if (objectId === "999999") throw new Error("INTERNAL");
    };
    tests.start({
      sources: [contentSource(1, { attemptsMax: 1 })],
      onQuery: (sql) => {
        if (sql.includes("outbox_parked")) statements += 1;
      },
    });
    await tests.write([{ shard: 1, object: 999_999 }]);
    await eventually(async () => (await tests.count()).parked === 1);
    statements = 0;
    await tests.write(range(2_000, (index) => ({ shard: index, object: index })));
    await eventually(async () => (await tests.count()).hot === 0);
    expect(tests.receiver.received).toHaveLength(2_000);
    expect(statements).toBeLessThan(5);
  });

  test("a source that cannot be read fails for its own category, and in the same call", async () => {
    const broken = { ...contentSource(2, { attemptsMax: 1_000 }), read: () => Promise.reject(new Error("a bug")) };
    tests.start({ sources: [contentSource(1), broken] });
    await tests.query(
      "select control.outbox_write(array['us1'], 1, s, c, s, case when c = 1 then 'x'::bytea end) from generate_series(1, 100) s, generate_series(1, 2) c",
    );
    await eventually(() => tests.receiver.received.length === 100);
    expect(tests.receiver.calls.get("us1")).toBeLessThan(10);
    await eventually(async () => (await tests.streams()).length === 100);
  });
});

describe("a silo that", () => {
  test("is slow holds nobody else up, however much waits for it", async () => {
    const gate = createGate();
    tests.receiver.admit = (destination) => (destination === "us1" ? gate.passed : undefined);
    tests.start({ limits: { rowsMax: 200, fetchMax: 50, batchMax: 10 } });
    await tests.write(range(1_000, (index) => ({ shard: index % 300, object: index })));
    await tests.write(range(40, (index) => ({ shard: index, object: index, to: "de1" })));
    await eventually(() => tests.receiver.objectsOf("de1").length === 40);
    expect(tests.receiver.objectsOf("us1")).toEqual([]);
    expect((await tests.streams())[0]).toMatchObject({ destination: "us1", state: "SLOW" });
    gate.open();
    await tests.untilEmpty();
    expect(tests.receiver.received).toHaveLength(1_040);
    expect(tests.receiver.inversions).toBe(0);
  });

  test("is slow does not fill the memory that held streams of others need", async () => {
    const gate = createGate();
    let failures = 1;
    tests.receiver.admit = (destination) => (destination === "us1" ? gate.passed : undefined);
    tests.receiver.handle = ({ destination }) => {
      if (destination === "de1" && failures-- > 0) throw new Error("INTERNAL");
    };
    tests.receiver.away.add("us1");
    tests.start({ limits: { rowsMax: 100, fetchMax: 50, awayMaxMs: 20 } });
    await tests.write(range(1_000, (index) => ({ shard: index % 50, object: index })));
    await eventually(async () => (await tests.count()).held >= 900);
    tests.receiver.away.delete("us1");
    await eventually(() => (tests.receiver.calls.get("us1") ?? 0) > 0);
    await tests.write(range(20, (index) => ({ shard: 1, object: index, to: "de1" })));
    await eventually(() => tests.receiver.objectsOf("de1").length === 20);
    gate.open();
    await tests.untilEmpty();
    expect(tests.receiver.objectsOf("us1")).toHaveLength(1_000);
  });

  test("is away costs nobody else anything and no attempt, and is told everything in order when it is back", async () => {
    tests.receiver.away.add("us1");
    tests.start({ sources: [contentSource(1, { attemptsMax: 1 })], limits: { rowsMax: 200, fetchMax: 50 } });
    await tests.write(range(1_000, (index) => ({ shard: index % 30, object: index })));
    for (let round = 0; round < 20; round += 1) {
      await tests.write([
        { shard: round, object: round, to: "de1" },
        { shard: round, object: 1_000 + round },
      ]);
      await eventually(() => tests.receiver.objectsOf("de1").length === round + 1);
    }
    const streams = await tests.streams();
    expect(new Set(streams.map(({ destination, state, attempts }) => `${destination} ${state} ${attempts}`))).toEqual(
      new Set(["us1 AWAY 0"]),
    );
    tests.receiver.away.clear();
    await tests.untilEmpty();
    expect(tests.receiver.objectsOf("us1")).toHaveLength(1_020);
    expect(tests.receiver.inversions).toBe(0);
  });

  test.each<[string, (count: number) => readonly { kind: "delivered" | "skipped" }[]]>([
    ["too few", (count) => Array.from({ length: count - 1 }, () => ({ kind: "delivered" }) as const)],
    ["too many", (count) => Array.from({ length: count + 1 }, () => ({ kind: "delivered" }) as const)],
    ["meaningless", (count) => Array.from({ length: count }, () => ({ kind: "skipped" }) as const)],
  ])(
    "gives %s answers is left alone more and more, visibly; nothing is parked for it, others flow",
    async (_, garble) => {
      let isBroken = true;
      tests.receiver.answer = (destination, verdicts) =>
        destination === "us1" && isBroken ? garble(verdicts.length) : verdicts;
      tests.start({ sources: [contentSource(1, { attemptsMax: 2 })] });
      await tests.write(range(30, (index) => ({ shard: index % 3, object: index })));
      await tests.write(range(30, (index) => ({ shard: index % 3, object: index, to: "de1" })));
      await eventually(() => tests.receiver.objectsOf("de1").length === 30);
      await eventually(async () => {
        const streams = await tests.streams();
        return (
          streams.length === 3 &&
          streams.every(({ attempts, error }) => attempts > 3 && error.startsWith("ANSWER_MALFORMED"))
        );
      });
      expect(tests.receiver.calls.get("us1")).toBeLessThan(200);
      isBroken = false;
      await tests.untilEmpty();
      expect(tests.receiver.states.size).toBe(60);
    },
  );

  test("is one of a thousand is one of a thousand: others are told while it answers nothing", async () => {
    const gate = createGate();
    tests.receiver.admit = (destination) => (destination === "c7" ? gate.passed : undefined);
    tests.start();
    await tests.write(range(5_000, (index) => ({ shard: index % 5, object: index, to: `c${index % 1_000}` })));
    await eventually(() => tests.receiver.received.length === 4_995);
    gate.open();
    await tests.untilEmpty();
    expect(tests.receiver.inversions).toBe(0);
  });
});

describe("a pause", () => {
  test.each<[string, string]>([
    ["stream", "(destination, scope, shard_id, category) values ('us1', 1, 1, 1)"],
    ["category", "(category) values (2)"],
    ["silo", "(destination) values ('us1')"],
  ])("of a %s holds it, visibly, and nobody else; it goes on in order when it is resumed", async (_, pause) => {
    const sources = [contentSource(1), contentSource(2, { lane: 1 }), contentSource(3)];
    tests.start({ sources });
    await tests.query(`insert into control.outbox_pause ${pause}`);
    await tests.write([{ shard: 100, object: 0, category: 3, to: "de1" }]);
    await eventually(() => tests.receiver.received.length === 1);
    await eventually(async () => {
      await tests.write([{ shard: 1, object: 1 }]);
      return (await tests.count()).held > 0;
    });
    const before = tests.receiver.objectsOf("us1").length;
    await tests.write(range(40, (index) => ({ shard: 1, object: index, category: 1 + (index % 2) })));
    await tests.write(range(40, (index) => ({ shard: 2, object: index, category: 3, to: "de1" })));
    await eventually(() => tests.receiver.objectsOf("de1").length === 41);
    await eventually(async () => (await tests.count()).hot === 0);
    expect(tests.receiver.objectsOf("us1")).toHaveLength(before);
    expect(await tests.streams()).toMatchObject([{ destination: "us1", shard_id: "1", lane: 1, state: "PAUSED" }]);
    await tests.query("delete from control.outbox_pause");
    await tests.untilEmpty();
    expect(tests.receiver.inversions).toBe(0);
  });

  test("that comes and goes while a call is under way keeps the stream's order", async () => {
    const gate = createGate();
    tests.receiver.admit = () => gate.passed;
    tests.start({ limits: { streamBatchMax: 5 } });
    await tests.write(range(10, (index) => ({ shard: 1, object: index })));
    await eventually(() => tests.receiver.calls.get("us1") === 1);
    await tests.query("insert into control.outbox_pause (shard_id) values (1)");
    await tests.write([{ shard: 2, object: 1_000 }]);
    await eventually(async () => {
      await tests.write([{ shard: 3, object: 1_000 }]);
      return (
        (await tests.query("select 1 from control.outbox_pause where paused_at < now() - interval '1.2 s'")).length > 0
      );
    });
    await tests.write([{ shard: 1, object: 10 }]);
    await tests.query("delete from control.outbox_pause");
    await tests.query("insert into control.outbox_pause (shard_id) values (4)");
    await eventually(
      async () =>
        (await tests.query("select 1 from control.outbox_pause where paused_at < now() - interval '1.2 s'")).length > 0,
    );
    gate.open();
    await tests.untilEmpty().catch(() => undefined);
    await tests.query("delete from control.outbox_pause");
    await tests.untilEmpty();
    const own = tests.receiver.received
      .filter(({ shardId }) => shardId === "1")
      .map(({ objectId }) => Number(objectId));
    expect(own).toEqual(range(11, (index) => ({ shard: 1, object: index })).map(({ object }) => object));
    expect(tests.receiver.overlaps).toBe(0);
  });
});
