import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { giveToAccount, runAs, type ServerAccount, SYSTEM_PATH } from "./account.js";
import type { PostgresBinaries } from "./binaries.js";
import { EmbeddedPostgresError, withLog } from "./errors.js";

/** The superuser of every embedded cluster. Only who may enter the socket's directory can connect; no password. */
export const SUPERUSER = "cellway";

const TEMPORARY_PATTERN = /^initdb-(\d+)-/;

/** Where the cluster lies inside the data directory. */
export function clusterDirOf(dataDir: string): string {
  return join(dataDir, "cluster");
}

/**
 * Creates the cluster unless it is there. All at once: it is made beside its place and then renamed, so an interrupted
 * run leaves nothing half made, and of two at once one wins.
 *
 * @param durable - whether its files are flushed to the disk.
 * @throws EmbeddedPostgresError with what initdb printed.
 */
export async function ensureCluster(
  dataDir: string,
  binaries: PostgresBinaries,
  account: ServerAccount,
  durable: boolean,
): Promise<void> {
  await removeAbandoned(dataDir);
  if (await isCluster(dataDir)) return;
  const temporary = await mkdtemp(join(dataDir, `initdb-${process.pid}-`));
  try {
    const fresh = join(temporary, "cluster");
    await mkdir(fresh, { mode: 0o700 });
    await giveToAccount(temporary, account);
    await giveToAccount(fresh, account);
    await runInitdb(binaries, account, [...(durable ? [] : ["--no-sync"]), "-D", fresh]);
    await rename(fresh, clusterDirOf(dataDir));
  } catch (error) {
    if (!(await isCluster(dataDir))) throw error;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function runInitdb(binaries: PostgresBinaries, account: ServerAccount, flags: readonly string[]): Promise<void> {
  const locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"];
  const { argv, options } = runAs(account, [
    binaries.initdb,
    "-U",
    SUPERUSER,
    "-A",
    "trust",
    "--no-instructions",
    ...locale,
    ...flags,
  ]);
  const [file = "", ...args] = argv;
  const env = { PATH: SYSTEM_PATH, LC_ALL: "C" };
  const child = spawn(file, args, { ...options, cwd: "/", env, stdio: ["ignore", "pipe", "pipe"] });
  const printed = Promise.all([text(child.stdout), text(child.stderr)]);
  const [code, signal] = await once(child, "close").catch((error: unknown) => {
    throw new EmbeddedPostgresError(`${file} cannot be run: ${String(error)}`, { cause: error });
  });
  if (code === 0) return;
  const lines = (await printed)
    .join("\n")
    .split("\n")
    .filter((line) => line.trim() !== "");
  throw new EmbeddedPostgresError(withLog(`initdb failed (${signal ?? `exit code ${code}`}):`, lines.slice(-10)));
}

async function isCluster(dataDir: string): Promise<boolean> {
  return stat(clusterDirOf(dataDir)).then(
    () => true,
    () => false,
  );
}

/** Removes what an initdb left whose node process is gone. */
async function removeAbandoned(dataDir: string): Promise<void> {
  for (const name of await readdir(dataDir)) {
    const pid = Number(TEMPORARY_PATTERN.exec(name)?.[1]);
    if (Number.isNaN(pid) || isAlive(pid)) continue;
    await rm(join(dataDir, name), { recursive: true, force: true }).catch(() => {});
  }
}

/** Whether a process with this id exists, whoever owns it. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
