import { AsyncLocalStorage } from "node:async_hooks";
import type { LocalMode } from "./silo.js";

/**
 * For which side the running code speaks. Also in a monolith exactly one side at a time, so that code of a cell
 * that touches what is control's fails on a laptop. Packages may carry more in an extending type.
 */
export interface SiloContext {
  readonly localMode: LocalMode;
  /** The name of the silo, for messages. */
  readonly siloName: string;
}

const storage = new AsyncLocalStorage<SiloContext>();

/** Runs `work`, and everything it awaits, as code of the given silo. */
export function withSiloContext<T>(context: SiloContext, work: () => T): T {
  return storage.run(context, work);
}

/** Runs `work` as code of no silo: what a context carries ends where one process would end and another begin. */
export function withoutSiloContext<T>(work: () => T): T {
  return storage.exit(work);
}

/** The innermost context, or undefined outside of any (start-up, the command line). */
export function currentSiloContext(): SiloContext | undefined {
  return storage.getStore();
}
