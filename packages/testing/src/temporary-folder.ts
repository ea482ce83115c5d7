import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive } from "@cellway/database";

/** Linux's file system in memory. A database of a test is some 500 files, each of which costs a disk up to a millisecond. */
const MEMORY = "/dev/shm";

/** What must be free in memory: several times what a whole run was seen to need at once, 0.5 GB. */
const MEMORY_FREE_MIN_BYTES = 2 * 1024 ** 3;

const PREFIX = "cellway-run-";
const RUN_PATTERN = new RegExp(`^${PREFIX}(\\d+)-`);

/**
 * Makes the folder under which everything temporary of one run lies, databases above all: in memory where there is room
 * and programs may be run from there, else in the system's folder. Nothing in it outlives the machine.
 *
 * @returns its path. The caller removes it; what a run that was killed left in memory is removed by the next one.
 */
export function createTemporaryFolder(memory = MEMORY, freeMinBytes = MEMORY_FREE_MIN_BYTES): string {
  removeAbandoned(memory);
  const folder = isFit(memory, freeMinBytes) ? memory : tmpdir();
  const made = mkdtempSync(join(folder, `${PREFIX}${process.pid}-`));
  chmodSync(made, 0o1777); // As any folder for what is temporary: as root, PostgreSQL runs as another user.
  return made;
}

function isFit(folder: string, freeMinBytes: number): boolean {
  let probe: string | undefined;
  try {
    const { bavail, bsize } = statfsSync(folder);
    if (bavail * bsize < freeMinBytes) return false;
    probe = mkdtempSync(join(folder, `${PREFIX}${process.pid}-`));
    const program = join(probe, "program");
    writeFileSync(program, "#!/bin/sh\n", { mode: 0o755 });
    execFileSync(program, { stdio: "ignore", timeout: 5_000 });
    return true;
  } catch {
    return false;
  } finally {
    if (probe !== undefined) rmSync(probe, { recursive: true, force: true });
  }
}

function removeAbandoned(folder: string): void {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) {
    const pid = RUN_PATTERN.exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    rmSync(join(folder, name), { recursive: true, force: true });
  }
}
