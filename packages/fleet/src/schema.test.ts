import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { listLiveVersions } from "./schema.js";
import { type FleetBench, startFleetBench } from "./test-support.js";

let bench: FleetBench;

beforeAll(async () => {
  bench = await startFleetBench();
}, 30_000);
afterEach(() => bench.clear());
afterAll(() => bench?.stop());

const live = async (schema: "control" | "cell" = "cell") =>
  (await listLiveVersions((sql, parameters) => bench.database.query(sql, parameters), schema)).map(
    ({ version, processes }) => `${processes} × ${version}`,
  );

test("the releases that run are those of processes that were heard within the last minute and have not said goodbye", async () => {
  const old = bench.create("0.1.0", [], { now: Date.now });
  const twins = [bench.create("0.2.0", [], { now: Date.now }), bench.create("0.2.0", [], { now: Date.now })];
  for (const process of [old, ...twins]) await process.start();
  expect(await live()).toEqual(["1 × 0.1.0", "2 × 0.2.0"]);
  await twins[0]?.stop();
  await bench.query("update cell.process set seen_at = seen_at - interval '61 seconds' where version = '0.1.0'");
  expect(await live()).toEqual(["1 × 0.2.0"]);
});

test("no release is known to run where the table is not there yet", async () => {
  expect(await live("control")).toEqual([]);
});
