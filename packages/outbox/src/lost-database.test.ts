import { expect, test } from "@jest/globals";
import { contentSource, eventually, OutboxTests, range } from "./test-support.js";

const tests = OutboxTests.install();

/** Writes again and again while something goes wrong around it; a write that failed is made again. */
async function writeThrough(rounds: number, between: (round: number) => Promise<void>): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    const changes = range(40, (index) => ({ shard: index % 4, object: round * 40 + index }));
    await eventually(() =>
      tests.write(changes).then(
        () => true,
        () => false,
      ),
    );
    await between(round);
  }
}

/** Every object is told, each shard's first tellings in the order of their changes. */
function expectAllInOrder(count: number): void {
  const seen = new Map<string, number[]>();
  const known = new Set<string>();
  for (const { shardId, objectId } of tests.receiver.received) {
    if (known.has(objectId)) continue;
    known.add(objectId);
    seen.set(shardId, [...(seen.get(shardId) ?? []), Number(objectId)]);
  }
  expect(known.size).toBe(count);
  for (const objects of seen.values()) expect(objects).toEqual(objects.toSorted((one, other) => one - other));
}

test("every connection is ended again and again: everything is told, in order, and it goes on by itself", async () => {
  tests.start({ sources: [contentSource(1, { attemptsMax: 1 })] });
  await writeThrough(15, async (round) => {
    await eventually(() => tests.receiver.received.length > round * 20);
    await tests.cutConnections();
  });
  await tests.untilEmpty();
  expectAllInOrder(600);
});

test("the connection that hears of changes is ended again and again: it is heard of them all the same", async () => {
  const outbox = tests.start();
  await eventually(() => outbox.isOwner);
  for (let round = 0; round < 15; round += 1) {
    await tests.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name like '%-outbox' and datname = current_database()",
    );
    await tests.write([{ shard: 1, object: round }]);
    await eventually(() => tests.receiver.received.length === round + 1);
  }
  await tests.untilEmpty();
  expect(tests.receiver.inversions).toBe(0);
});

test("a database that cannot be asked for a moment is no failure of any message", async () => {
  let failures = 0;
  tests.start({
    sources: [contentSource(1, { attemptsMax: 1 })],
    onQuery: (sql) => {
      const isOurs = /union all|select id, content|delete from control.outbox /.test(sql);
      if (isOurs && failures < 6) {
        failures += 1;
        throw new Error("Connection terminated unexpectedly");
      }
    },
  });
  await tests.write(range(20, (index) => ({ shard: index % 4, object: index })));
  await tests.untilEmpty();
  expect([failures, new Set(tests.receiver.objectsOf("us1")).size]).toEqual([6, 20]);
});

test("PostgreSQL is started anew in the middle: everything is told, in order, and it goes on by itself", async () => {
  tests.start();
  await writeThrough(6, async (round) => {
    await eventually(() => tests.receiver.received.length > round * 20);
    if (round % 2 === 0) await tests.restartPostgres();
  });
  await tests.untilEmpty();
  expectAllInOrder(240);
}, 120_000);
