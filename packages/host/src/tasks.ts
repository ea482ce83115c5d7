import {
  ALIASES,
  type Alias,
  currentNameOf,
  isLocalTo,
  oldNamesOf,
  type Silo,
  SiloLimitError,
  withSiloContext,
} from "@cellway/silo";
import type { Logger, Metrics } from "@cellway/telemetry";
import { waitAtMost } from "./lifecycle.js";
import type { ServiceContext, TaskDefinition } from "./module.js";

/** Runs the tasks of one silo. */
export interface TaskRunner {
  /** @throws SiloLimitError when the task belongs to the other side. */
  register(task: TaskDefinition, context: ServiceContext): void;
  /** Starts the schedule of all registered tasks. */
  start(): void;
  /** Runs one task now, by its name or an old one, and waits for it; its error is the caller's. For tests and the command line. */
  runNow(name: string): Promise<void>;
  /** Starts no more runs and waits for those under way, for at most `graceMs`. */
  stop(graceMs: number): Promise<void>;
}

/** What a runner is made of. */
interface TaskRunnerOptions {
  readonly silo: Silo;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Names that tasks had. Default the alias table. */
  readonly aliases?: readonly Alias[];
}

interface RegisteredTask {
  readonly task: TaskDefinition;
  readonly context: ServiceContext;
  timer?: NodeJS.Timeout;
  running?: Promise<void>;
}

/** Creates a runner with no tasks. A run is counted under every name that the task has. */
export function createTaskRunner(options: TaskRunnerOptions): TaskRunner {
  const { silo, logger, metrics, aliases = ALIASES } = options;
  const countRun = createRunCounter(metrics, aliases);
  const registered = new Map<string, RegisteredTask>();
  let isStopped = false;

  async function run(entry: RegisteredTask): Promise<void> {
    const { task, context } = entry;
    try {
      await withSiloContext({ localMode: task.localMode, siloName: silo.name }, () => task.run(context));
      countRun(task, "ok");
    } catch (error) {
      countRun(task, "error");
      throw error;
    }
  }

  function schedule(entry: RegisteredTask): void {
    if (isStopped) return;
    const pauseMs = entry.task.intervalMs * (1 + Math.random() / 10);
    entry.timer = setTimeout(() => {
      entry.running = run(entry)
        .catch((error: unknown) => logger.error({ task: entry.task.name, err: error }, "a task failed"))
        .finally(() => {
          delete entry.running;
          schedule(entry);
        });
    }, pauseMs);
    entry.timer.unref();
  }

  return {
    register(task, context) {
      if (!isLocalTo(silo, task.localMode)) throw new SiloLimitError("task", task.name, task.localMode, silo.name);
      if (registered.has(task.name)) throw new Error(`There are two tasks named ${task.name}.`);
      registered.set(task.name, { task, context });
    },
    start() {
      for (const entry of registered.values()) schedule(entry);
    },
    async runNow(name) {
      const entry = registered.get(currentNameOf("TASK", name, { aliases }));
      if (entry === undefined)
        throw new Error(`There is no task ${name}; there are: ${[...registered.keys()].join(", ")}.`);
      await run(entry);
    },
    async stop(graceMs) {
      isStopped = true;
      const running: Promise<void>[] = [];
      for (const entry of registered.values()) {
        clearTimeout(entry.timer);
        if (entry.running !== undefined) running.push(entry.running);
      }
      await waitAtMost(graceMs, Promise.all(running));
    },
  };
}

function createRunCounter(metrics: Metrics, aliases: readonly Alias[]) {
  return ({ name }: TaskDefinition, outcome: "ok" | "error"): void => {
    for (const task of [name, ...oldNamesOf("TASK", name, aliases)])
      metrics.count("cellway_task_runs_total", { task, outcome });
  };
}
