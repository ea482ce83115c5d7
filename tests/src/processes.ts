import { readdir, readFile } from "node:fs/promises";
import { findFreePorts } from "@cellway/testing";

/** The first of a run of ports that are free now. */
export async function findPortBase(): Promise<number> {
  const [port = 0] = await findFreePorts(1);
  return Math.min(port, 65_000);
}

/** Kills a process that may have ended by itself meanwhile. */
export function killHard(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** The processes of the PostgreSQL that serves a data folder, as /proc shows them; none where there is no /proc. */
export async function findPostgres(folder: string): Promise<number[]> {
  const pids = (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name));
  const found: number[] = [];
  for (const pid of pids) {
    const commandLine = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (commandLine.includes("postgres") && commandLine.includes(folder)) found.push(Number(pid));
  }
  return found;
}
