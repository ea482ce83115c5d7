import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { EmbeddedPostgresError } from "./errors.js";

/** A server whose owner was killed stops well within this; one that is still ready afterwards has an owner. */
const ORPHAN_GRACE_MS = 3_000;

/** Greater than any process id, so never alive. */
const DEAD_PID = 2_147_483_647;

const OCCUPIED_PATTERN = /lock file ".*" already exists|pre-existing shared memory block/;

/** What the server's lock file says. Its lines: pid, data directory, start time, port, socket directory, … status. */
interface LockFile {
  readonly path: string;
  readonly content: string;
  readonly pid: number;
  readonly socketDir: string;
  readonly ready: boolean;
}

/** Whether a server did not start because another one uses its data, or has just used it. */
export function isOccupied(logLines: readonly string[]): boolean {
  return logLines.some((line) => OCCUPIED_PATTERN.test(line));
}

/**
 * Looks at who holds the cluster. A server that is going down is left to do so. When the holder is dead but its id is
 * not free (it was never reaped, or after a reboot the id is another program's), the lock is released.
 *
 * @param waitedMs - since the first attempt to start.
 * @throws EmbeddedPostgresError when a server is up and stays up.
 */
export async function assertNoLiveServer(clusterDir: string, waitedMs: number): Promise<void> {
  const lock = await readLockFile(clusterDir);
  if (lock === undefined) return;
  const command = await commandOf(lock.pid);
  if (command === undefined || !/postgres/i.test(command)) {
    releaseLock(lock);
  } else if (lock.ready && waitedMs >= ORPHAN_GRACE_MS) {
    throw new EmbeddedPostgresError(
      `PostgreSQL is already running on ${clusterDir} (pid ${lock.pid}): stop it (kill -INT ${lock.pid}) or use another data directory.`,
    );
  }
}

/** Where the last server had its socket, if it did not clean up: to be removed once its successor runs. */
export async function findLeftSocketDir(clusterDir: string): Promise<string | undefined> {
  const socketDir = (await readLockFile(clusterDir))?.socketDir ?? "";
  return basename(socketDir).startsWith("cellway-pg-") ? socketDir : undefined;
}

/** The name of the program that runs under this id; undefined when none does, or when it has ended unreaped. */
export async function commandOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  if (stat !== undefined) {
    const state = stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3);
    return state === "Z" || state === "X" ? undefined : stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
  }
  if (process.platform === "linux") return undefined;
  const listed = await promisify(execFile)("ps", ["-o", "stat=", "-o", "command=", "-p", String(pid)]).catch(
    () => undefined,
  );
  return listed === undefined || listed.stdout.trim().startsWith("Z") ? undefined : listed.stdout.trim();
}

/**
 * Only the id is replaced: the file also names the shared memory, by which PostgreSQL notices that children of the
 * dead server still run. Synchronous, so that a successor's lock is not overwritten.
 */
function releaseLock(lock: LockFile): void {
  try {
    if (readFileSync(lock.path, "utf8") !== lock.content) return;
    writeFileSync(lock.path, lock.content.replace(/^\d+/, String(DEAD_PID)));
  } catch {
    // The file is gone, which is as good, or is not ours, which the next attempt to start reports.
  }
}

async function readLockFile(clusterDir: string): Promise<LockFile | undefined> {
  const path = join(clusterDir, "postmaster.pid");
  const content = await readFile(path, "utf8").catch(() => "");
  const lines = content.split("\n");
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  return { path, content, pid, socketDir: lines[4] ?? "", ready: lines[7]?.trim() === "ready" };
}

/** Removes a socket directory that nobody listens in any more. */
export async function removeSocketDir(socketDir: string | undefined): Promise<void> {
  if (socketDir !== undefined) await rm(socketDir, { recursive: true, force: true }).catch(() => {});
}
