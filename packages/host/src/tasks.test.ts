import { type Alias, createCellSilo, currentSiloContext } from "@cellway/silo";
import { createLogger, createMetrics } from "@cellway/telemetry";
import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import type { ServiceContext, TaskDefinition } from "./module.js";
import { createTaskRunner } from "./tasks.js";

const context = {} as ServiceContext;

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

function createRunner(aliases?: readonly Alias[]) {
  const metrics = createMetrics({ silo: "us1" });
  return {
    metrics,
    runner: createTaskRunner({
      silo: createCellSilo("us1"),
      logger: createLogger({ silo: "us1", level: "silent" }),
      metrics,
      ...(aliases === undefined ? {} : { aliases }),
    }),
  };
}

function createTask(run: TaskDefinition["run"]): TaskDefinition {
  return { name: "test.task", localMode: "CELL", intervalMs: 1_000, run };
}

test("a task runs again and again as code of its side, also after it failed", async () => {
  const { runner, metrics } = createRunner();
  const sides: unknown[] = [];
  runner.register(
    createTask(async () => {
      sides.push(currentSiloContext()?.localMode);
      if (sides.length === 1) throw new Error("the first run fails");
    }),
    context,
  );
  runner.start();
  await jest.advanceTimersByTimeAsync(3_500);
  expect(sides).toEqual(["CELL", "CELL", "CELL"]);
  expect(await metrics.value("cellway_task_runs_total", { task: "test.task", outcome: "error" })).toBe(1);
  expect(await metrics.value("cellway_task_runs_total", { task: "test.task", outcome: "ok" })).toBe(2);
  await runner.stop(0);
});

test("a run that takes long is not overtaken by the next", async () => {
  const { runner } = createRunner();
  let running = 0;
  let mostAtOnce = 0;
  runner.register(
    createTask(async () => {
      running += 1;
      mostAtOnce = Math.max(mostAtOnce, running);
      await new Promise((resolve) => setTimeout(resolve, 5_000));
      running -= 1;
    }),
    context,
  );
  runner.start();
  await jest.advanceTimersByTimeAsync(20_000);
  expect(mostAtOnce).toBe(1);
  const stopped = runner.stop(10_000);
  await jest.advanceTimersByTimeAsync(10_000);
  await stopped;
});

test("stopping waits for the run under way, and starts no other", async () => {
  const { runner } = createRunner();
  let ended = 0;
  runner.register(
    createTask(async () => {
      await new Promise((resolve) => setTimeout(resolve, 500));
      ended += 1;
    }),
    context,
  );
  runner.start();
  await jest.advanceTimersByTimeAsync(1_200);
  const stopped = runner.stop(5_000);
  await jest.advanceTimersByTimeAsync(600);
  await stopped;
  await jest.advanceTimersByTimeAsync(10_000);
  expect(ended).toBe(1);
});

test("two tasks of one name cannot be told apart, so the second is refused", () => {
  const { runner } = createRunner();
  runner.register(
    createTask(async () => undefined),
    context,
  );
  expect(() =>
    runner.register(
      createTask(async () => undefined),
      context,
    ),
  ).toThrow("test.task");
});

test("a task that was renamed is still run by its old name, and counted under both", async () => {
  const renamed: Alias = {
    kind: "TASK",
    old: "old.task",
    current: "test.task",
    phase: "BOTH",
    until: "Nobody asks for it.",
  };
  const { runner, metrics } = createRunner([renamed]);
  let runs = 0;
  runner.register(
    createTask(async () => {
      runs += 1;
    }),
    context,
  );
  await runner.runNow("old.task");
  await runner.runNow("test.task");
  expect(runs).toBe(2);
  for (const task of ["old.task", "test.task"])
    expect(await metrics.value("cellway_task_runs_total", { task, outcome: "ok" })).toBe(2);
  await expect(runner.runNow("other.task")).rejects.toThrow("There is no task other.task; there are: test.task.");
});
