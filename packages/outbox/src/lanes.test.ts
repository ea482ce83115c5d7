import { expect, test } from "@jest/globals";
import { contentSource, eventually, OutboxTests } from "./test-support.js";

const tests = OutboxTests.install();

test("a category that an older version did not know waits, and is told in its order by the version that does", async () => {
  const older = tests.start({ sources: [contentSource(1)] });
  await tests.write([
    { shard: 1, object: 1, category: 2 },
    { shard: 1, object: 2, category: 2 },
  ]);
  await eventually(async () => (await tests.streams())[0]?.error.startsWith("CATEGORY_UNKNOWN") === true);
  await eventually(async () => (await tests.count()).held === 2);
  await older.stop();
  await tests.write([
    { shard: 1, object: 3, category: 1 },
    { shard: 1, object: 4, category: 2 },
  ]);
  tests.start({ sources: [contentSource(1), contentSource(2, { lane: 1 })] });
  await tests.untilEmpty();
  expect(tests.receiver.objectsOf("us1")).toEqual(["1", "2", "3", "4"]);
});
