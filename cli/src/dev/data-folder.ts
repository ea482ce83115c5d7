import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CommandError } from "../errors.js";
import { type DataLock, takeDataLock } from "./data-lock.js";

/** The file that says that a folder is ours, and may be emptied. */
export const MARKER_FILE = "cellway-data";

const LOG_MAX_BYTES = 16 * 1024 * 1024;

/** The folder of one `cellway dev`, held by this process. */
export interface DataFolder {
  readonly dir: string;
  /** Whether there was nothing in it. */
  readonly isNew: boolean;
  /** Whether the fleet before was killed. */
  readonly wasKilled: boolean;
  readonly postgresDir: string;
  /** For secrets: only its owner may look in. */
  readonly keysDir: string;
  readonly topologyFile: string;
  /** Where a router keeps its routes for a start without control. */
  routesFile(edge: string): string;
  /** The log of a silo; it grows over runs, and starts anew above 16 MiB. */
  logFile(silo: string): string;
  /** Lets another process use the folder. Safe to call twice. */
  release(): void;
}

/**
 * Opens the folder, creating it when it is absent.
 *
 * @param options.isFresh - deletes what it holds.
 * @throws CommandError when it holds something that is not ours, or another fleet runs on it. Nothing is changed then.
 */
export function openDataFolder(dir: string, options: { isFresh: boolean }): DataFolder {
  assertOurs(dir);
  mkdirSync(dir, { recursive: true });
  const marker = join(dir, MARKER_FILE);
  if (!existsSync(marker))
    writeFileSync(marker, "The data of a `cellway dev`. It may be deleted when none runs on it.\n");
  const lock = takeDataLock(dir);
  try {
    if (options.isFresh) empty(dir);
    return createFolder(dir, lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}

function createFolder(dir: string, lock: DataLock): DataFolder {
  const [postgresDir, keysDir, logsDir] = [join(dir, "postgres"), join(dir, "keys"), join(dir, "logs")];
  const isNew = !existsSync(postgresDir);
  mkdirSync(keysDir, { recursive: true, mode: 0o700 });
  mkdirSync(logsDir, { recursive: true });
  return {
    dir,
    isNew,
    wasKilled: lock.wasLeftOver,
    postgresDir,
    keysDir,
    topologyFile: join(dir, "topology.json"),
    routesFile: (edge) => join(dir, `${edge}.routes`),
    logFile(silo) {
      const path = join(logsDir, `${silo}.log`);
      if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > LOG_MAX_BYTES) renameSync(path, `${path}.1`);
      return path;
    },
    release: () => lock.release(),
  };
}

/** What is deleted by --fresh must surely be ours. */
function assertOurs(dir: string): void {
  const stat = statSync(dir, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isDirectory()) throw new CommandError(`${dir} is not a folder; choose another with --data DIR.`);
  if (existsSync(join(dir, MARKER_FILE)) || readdirSync(dir).length === 0) return;
  throw new CommandError(
    `${dir} holds files that are not of a fleet (there is no ${MARKER_FILE} in it); choose another folder with --data DIR.`,
  );
}

function empty(dir: string): void {
  for (const entry of readdirSync(dir)) {
    if (entry === MARKER_FILE || entry.startsWith("dev.lock")) continue;
    // A database that was just killed may still write while it ends.
    rmSync(join(dir, entry), { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}
