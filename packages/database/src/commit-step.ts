import { AsyncLocalStorage } from "node:async_hooks";
import type { SiloDatabase } from "./database.js";

/** Runs SQL in the transaction that is about to commit. */
export type StepQuery = (sql: string, parameters?: unknown[]) => Promise<unknown>;

interface Step {
  readonly database: SiloDatabase;
  readonly run: (query: StepQuery) => Promise<void>;
  isOver: boolean;
}

const steps = new AsyncLocalStorage<Step>();

/**
 * Runs `work`; every transaction of `database` that is committed meanwhile on its behalf runs `step` first, and is rolled back
 * when that throws. So what the step writes is there exactly if what the transaction did is. Statements outside of transactions
 * are not seen.
 */
export async function withCommitStep<T>(
  database: SiloDatabase,
  step: (query: StepQuery) => Promise<void>,
  work: () => Promise<T>,
): Promise<T> {
  const own: Step = { database, run: step, isOver: false };
  try {
    return await steps.run(own, work);
  } finally {
    // Work that was started in it and goes on is no part of it any more.
    own.isOver = true;
  }
}

/** Runs the step of the running code, if it has one for the database. */
export async function runCommitStep(database: SiloDatabase, query: StepQuery): Promise<void> {
  const step = steps.getStore();
  if (step !== undefined && step.database === database && !step.isOver) await step.run(query);
}
