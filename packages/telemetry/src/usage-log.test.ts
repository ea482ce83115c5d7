import { expect, jest, test } from "@jest/globals";
import { createUsageLog } from "./usage-log.js";

const ME = { caller: "us1", service: "organization", version: "0.2.0" };

test("uses of a subject by one caller are one entry, with the first and the last time", () => {
  const usage = createUsageLog();
  const beforeMs = performance.now();
  usage.note("METHOD", "a.Old", ME);
  usage.note("METHOD", "a.Old", { ...ME });
  usage.note("METHOD", "a.Old", { ...ME, version: "0.1.0" });
  usage.note("FIELD", "a.Old", ME);
  const taken = usage.take();
  expect(taken).toHaveLength(3);
  expect(taken[0]).toMatchObject({ ...ME, kind: "METHOD", subject: "a.Old", count: 2 });
  expect(taken[0]?.firstAtMs).toBeGreaterThanOrEqual(beforeMs);
  expect(taken[0]?.lastAtMs).toBeGreaterThanOrEqual(taken[0]?.firstAtMs ?? Number.NaN);
  expect(usage.take()).toEqual([]);
});

test("a use that lasts is counted at once and again every ten minutes, however often it is said", () => {
  jest.useFakeTimers();
  try {
    const usage = createUsageLog();
    usage.hold("ALIAS", "OLD", ME);
    usage.hold("ALIAS", "OLD", ME);
    expect(usage.take()).toMatchObject([{ kind: "ALIAS", subject: "OLD", count: 1 }]);
    jest.advanceTimersByTime(599_000);
    expect(usage.take()).toEqual([]);
    jest.advanceTimersByTime(2_000);
    expect(usage.take()).toMatchObject([{ kind: "ALIAS", subject: "OLD", count: 1 }]);
  } finally {
    jest.useRealTimers();
  }
});

test("what was taken and given back is not lost and not counted twice", () => {
  const usage = createUsageLog();
  usage.note("METHOD", "a.Old", ME);
  const taken = usage.take();
  usage.note("METHOD", "a.Old", ME);
  usage.giveBack(taken);
  const [again] = usage.take();
  expect(again).toMatchObject({ count: 2, firstAtMs: taken[0]?.firstAtMs });
  expect(again?.lastAtMs).toBeGreaterThanOrEqual(taken[0]?.lastAtMs ?? Number.NaN);
  usage.take();
  usage.giveBack(taken);
  expect(usage.take()).toEqual(taken);
});

test("somebody is told of a use that nothing like it came shortly before, and only then", () => {
  const usage = createUsageLog();
  let told = 0;
  usage.onNew = () => {
    told += 1;
  };
  usage.note("METHOD", "a.Old", ME);
  usage.note("METHOD", "a.Old", ME);
  usage.take();
  usage.note("METHOD", "a.Old", ME);
  expect(told).toBe(1);
  usage.take();
  usage.take();
  usage.note("METHOD", "a.Old", ME);
  expect(told).toBe(2);
});

test("however many callers there are, memory is bounded and no use is lost", () => {
  const usage = createUsageLog();
  for (let number = 0; number < 1_000; number += 1) usage.note("METHOD", "a.Old", { ...ME, version: String(number) });
  const taken = usage.take();
  expect(taken).toHaveLength(201);
  expect(taken.reduce((sum, { count }) => sum + count, 0)).toBe(1_000);
  expect(taken.at(-1)).toMatchObject({ caller: "other", service: "other", version: "other", count: 800 });
});

test("a subject is declared once, by whoever says so or uses it first", () => {
  const usage = createUsageLog();
  usage.declare("METHOD", "a.Old");
  usage.declare("METHOD", "a.Old");
  usage.note("ALIAS", "setting OLD", ME);
  expect(usage.declared).toEqual([
    { kind: "METHOD", subject: "a.Old" },
    { kind: "ALIAS", subject: "setting OLD" },
  ]);
  expect(usage.take()).toHaveLength(1);
});
