import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { eventually, type FleetBench, startFleetBench, type TestProcess } from "./test-support.js";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const ME = { caller: "control", service: "user", version: "0.2.0" };
let bench: FleetBench;

beforeAll(async () => {
  bench = await startFleetBench();
}, 30_000);
afterEach(() => bench.clear());
afterAll(() => bench?.stop());

/** Everything on one page, as an operator hears it of this process. */
async function subjectsOf(process: TestProcess) {
  const { subjects } = await process.operator.listDeprecatedUses({ pageSize: 200, pageToken: "" });
  return subjects;
}

/** For how many minutes each subject has been counted by everybody; `no` when somebody does not count it. */
async function countedMinutes(process: TestProcess): Promise<Record<string, number | string>> {
  const subjects = await subjectsOf(process);
  return Object.fromEntries(
    subjects.map(({ subject = "", countedMs }) => [subject, countedMs === undefined ? "no" : countedMs / MINUTE_MS]),
  );
}

async function start(version: string, counted: readonly string[]): Promise<TestProcess> {
  const process = bench.create(version, counted);
  await process.start();
  return process;
}

/** Time passes in steps of half a minute, in which these report. */
async function pass(minutes: number, ...alive: readonly TestProcess[]): Promise<void> {
  for (let half = 0; half < minutes * 2; half += 1) {
    bench.nowMs += MINUTE_MS / 2;
    for (const process of alive) await process.report();
  }
}

describe("a process", () => {
  test("is listed with what it runs from its start until its goodbye", async () => {
    const process = await start("0.2.0", []);
    await pass(1, process);
    const other = await start("0.2.1", []);
    await pass(5, process, other);
    expect((await process.operator.listProcesses()).processes).toMatchObject([
      { silo: "us1", version: "0.2.0", contract: "contract of 0.2.0", runningMs: 6 * MINUTE_MS, silentMs: 0 },
      { silo: "us1", version: "0.2.1", runningMs: 5 * MINUTE_MS },
    ]);
    await other.stop();
    expect((await process.operator.listProcesses()).processes).toHaveLength(1);
  });

  test("that is killed counts as alive for a minute, and as lost from then on", async () => {
    const process = await start("0.2.0", []);
    const killed = await start("0.2.1", []);
    bench.killHard(killed);
    await pass(0.5, process);
    expect((await process.operator.listProcesses()).processes).toHaveLength(2);
    expect(await process.operator.listDeprecatedUses({ pageSize: 0, pageToken: "" })).toMatchObject({
      lost: { count: 0 },
    });
    await pass(1, process);
    expect((await process.operator.listProcesses()).processes).toHaveLength(1);
    expect(await process.operator.listDeprecatedUses({ pageSize: 0, pageToken: "" })).toMatchObject({
      lost: { count: 1, lastMs: 1.5 * MINUTE_MS },
    });
  });

  test("is forgotten two weeks after its end", async () => {
    const process = await start("0.2.0", []);
    await process.stop();
    bench.nowMs += 15 * DAY_MS;
    await start("0.2.1", []);
    expect(await bench.query("select version from cell.process")).toEqual([{ version: "0.2.1" }]);
  });

  test("whose table is not there yet starts all the same, says so once, and reports when it is", async () => {
    await bench.query("alter table cell.process rename to process_to_come");
    const process = bench.create("0.2.0", []);
    await process.start();
    await bench.query("alter table cell.process_to_come rename to process");
    await eventually(async () => (await process.operator.listProcesses()).processes.length === 1);
    expect(process.log.filter((line) => line.includes("cannot be written down"))).toHaveLength(1);
  });
});

describe("a subject is counted", () => {
  test("since every process counts it: not while one of before lives, whether that says goodbye or is killed", async () => {
    const old = await start("0.1.9", ["a.Old"]);
    const process = await start("0.2.0", ["a.Old", "a.New"]);
    await pass(10, old, process);
    expect(await countedMinutes(process)).toEqual({ "a.New": "no", "a.Old": 10 });
    expect((await subjectsOf(process))[0]).toMatchObject({ subject: "a.New", uncountedBy: ["0.1.9"] });
    await old.stop();
    await pass(3, process);
    expect(await countedMinutes(process)).toEqual({ "a.New": 2.5, "a.Old": 13 });

    const late = await start("0.1.9", ["a.Old"]);
    await pass(2, process, late);
    bench.killHard(late);
    await pass(0.5, process);
    expect(await countedMinutes(process)).toMatchObject({ "a.New": "no" });
    await pass(5, process);
    // From a minute after it was last heard.
    expect(await countedMinutes(process)).toEqual({ "a.New": 4.5, "a.Old": 20.5 });
  });

  test("on through a restart and a time of silence, and anew when nobody was there for an hour", async () => {
    const process = await start("0.2.0", ["a.Old"]);
    await pass(10, process);
    await process.stop();
    bench.nowMs += 30 * MINUTE_MS;
    const second = await start("0.2.0", ["a.Old"]);
    expect(await countedMinutes(second)).toEqual({ "a.Old": 40 });
    bench.nowMs += 3 * 60 * MINUTE_MS;
    await second.report();
    expect(await countedMinutes(second)).toEqual({ "a.Old": 220 });
    await second.stop();
    bench.nowMs += 61 * MINUTE_MS;
    expect(await countedMinutes(await start("0.2.0", ["a.Old"]))).toEqual({ "a.Old": 0 });
  });

  test("by nobody when the one process is gone that counted it", async () => {
    const process = await start("0.2.0", ["a.Old"]);
    process.usage.note("METHOD", "a.Old", ME);
    await process.flush();
    bench.killHard(process);
    bench.nowMs += 2 * MINUTE_MS;
    const watcher = bench.create("0.2.0", []);
    expect(await countedMinutes(watcher)).toEqual({ "a.Old": "no" });
  });
});

describe("a use", () => {
  test("is written down within seconds, so that a process that is killed then takes none of it along", async () => {
    const process = await start("0.2.0", ["a.Old"]);
    const notedAtMs = performance.now();
    process.usage.note("METHOD", "a.Old", ME);
    await eventually(async () => (await bench.query("select from cell.deprecated_use")).length === 1);
    expect(performance.now() - notedAtMs).toBeLessThan(3_000);
    bench.killHard(process);
    bench.nowMs += 2 * DAY_MS;
    const next = await start("0.2.0", ["a.Old"]);
    expect(await subjectsOf(next)).toMatchObject([
      { subject: "a.Old", useCount: "1", users: [{ ...ME, useCount: "1" }] },
    ]);
    expect((await subjectsOf(next))[0]?.lastUsedMs).toBeCloseTo(2 * DAY_MS, -4);
  });

  test("is written down by a process that stops", async () => {
    const process = await start("0.2.0", ["a.Old"]);
    process.usage.note("METHOD", "a.Old", ME);
    await process.stop();
    expect(await bench.query("select subject, use_count from cell.deprecated_use")).toEqual([
      { subject: "a.Old", use_count: "1" },
    ]);
  });

  test("that could not be written down is kept, with its time, and nobody hears that there is none", async () => {
    const process = await start("0.2.0", ["a.Old"]);
    await bench.query("alter table cell.deprecated_use rename to away");
    process.usage.note("METHOD", "a.Old", ME);
    await expect(subjectsOf(process)).rejects.toThrow("deprecated_use");
    process.usage.note("METHOD", "a.Old", ME);
    await bench.query("alter table cell.away rename to deprecated_use");
    expect(await subjectsOf(process)).toMatchObject([{ subject: "a.Old", useCount: "2" }]);
  });

  test("is added to those of other processes, by who used it", async () => {
    const processes = [await start("0.2.0", ["a.Old"]), await start("0.2.0", ["a.Old"])] as const;
    for (const { usage } of processes) usage.note("METHOD", "a.Old", ME);
    processes[1].usage.note("METHOD", "a.Old", { ...ME, version: "0.1.9" });
    await Promise.all(processes.map((process) => process.flush()));
    const [subject] = await subjectsOf(processes[0]);
    expect(subject).toMatchObject({ useCount: "3", callerCount: 2 });
    expect(subject?.users?.map(({ version, useCount }) => `${version}: ${useCount}`).toSorted()).toEqual([
      "0.1.9: 1",
      "0.2.0: 2",
    ]);
  });

  test("is one of others when more than two hundred callers have used it, and its time is not lost", async () => {
    const process = await start("0.2.0", ["a.Old"]);
    for (let number = 0; number < 150; number += 1) {
      process.usage.note("METHOD", "a.Old", { ...ME, version: `1.${number}` });
      process.usage.note("METHOD", "a.Old", { ...ME, version: `2.${number}` });
    }
    await process.flush();
    const rows = await bench.query<{ caller: string; uses: number }>(
      "select caller, sum(use_count)::int as uses, count(*)::int as rows from cell.deprecated_use group by caller order by 1",
    );
    expect(rows).toEqual([
      { caller: "control", uses: 200, rows: 200 },
      { caller: "other", uses: 100, rows: 1 },
    ]);
    expect(await subjectsOf(process)).toMatchObject([{ useCount: "300", callerCount: 201 }]);
    expect((await subjectsOf(process))[0]?.users).toHaveLength(20);
  });

  test("is remembered for ninety days", async () => {
    const process = await start("0.2.0", ["a.Old"]);
    process.usage.note("METHOD", "a.Old", ME);
    await process.stop();
    bench.nowMs += 90 * DAY_MS;
    const [subject] = await subjectsOf(await start("0.2.0", ["a.Old"]));
    expect(subject?.lastUsedMs).toBeCloseTo(90 * DAY_MS, -4);
    bench.nowMs += 2 * DAY_MS;
    const [later] = await subjectsOf(await start("0.2.0", ["a.Old"]));
    expect(later?.lastUsedMs).toBeUndefined();
  });
});

test("subjects come in pages, and a token that is none is refused", async () => {
  const names = ["a.A", "a.B", "a.C"];
  const process = await start("0.2.0", names);
  const found: unknown[] = [];
  let pageToken = "";
  do {
    const page = await process.operator.listDeprecatedUses({ pageSize: 2, pageToken });
    found.push(...page.subjects.map(({ subject }) => subject));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(found).toEqual(names);
  await expect(process.operator.listDeprecatedUses({ pageSize: 2, pageToken: "x" })).rejects.toThrow("page_token");
});
