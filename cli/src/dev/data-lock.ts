import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CommandError } from "../errors.js";
import { identifyProcess, isStillRunning, type ProcessIdentity } from "../process-identity.js";

/** The right to use a data folder, held by one process at a time. */
export interface DataLock {
  /** Whether the one before was killed: something of it may still be ending. */
  readonly wasLeftOver: boolean;
  /** Gives the right up. Safe to call twice. */
  release(): void;
}

const ATTEMPTS_MAX = 5;

/**
 * Takes the folder. A lock whose process has gone, or whose number now belongs to another process, is taken over.
 *
 * @throws CommandError that names the process that holds it.
 */
export function takeDataLock(dir: string): DataLock {
  const path = join(dir, "dev.lock");
  const mine = JSON.stringify(identifyProcess(process.pid));
  const draft = `${path}.${process.pid}`;
  let wasLeftOver = false;
  writeFileSync(draft, mine, { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      if (tryLink(draft, path)) return { wasLeftOver, release: () => releaseLock(path, mine) };
      const held = readIfThere(path);
      if (held === undefined) continue;
      const holder = parseHolder(held);
      if (holder !== undefined && isStillRunning(holder)) {
        throw new CommandError(
          `A fleet already runs on ${dir} (process ${holder.pid}); stop it first, or choose another folder with --data DIR.`,
        );
      }
      wasLeftOver = removeStale(path, held) || wasLeftOver;
    }
    throw new CommandError(`Several processes start a fleet on ${dir} at once; try again.`);
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Links are made in one step, with their content: nobody sees half a lock. */
function tryLink(draft: string, path: string): boolean {
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Removes the lock if it is still the stale one; another starter may have replaced it meanwhile. */
function removeStale(path: string, stale: string): boolean {
  const aside = `${path}.stale.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
  const isStale = readIfThere(aside) === stale;
  if (!isStale) tryLink(aside, path);
  rmSync(aside, { force: true });
  return isStale;
}

function releaseLock(path: string, mine: string): void {
  if (readIfThere(path) === mine) rmSync(path, { force: true });
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function parseHolder(text: string): ProcessIdentity | undefined {
  try {
    const { pid, startedAt } = JSON.parse(text) as Record<string, unknown>;
    return typeof pid === "number" && typeof startedAt === "string" ? { pid, startedAt } : undefined;
  } catch {
    return undefined;
  }
}
