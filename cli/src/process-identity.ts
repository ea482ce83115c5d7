import { readFileSync } from "node:fs";

/** A process, told apart from a later one that was given the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it was started, in a form of the system's; empty where the system does not say. */
  readonly startedAt: string;
}

/** Who a process is. */
export function identifyProcess(pid: number): ProcessIdentity {
  return { pid, startedAt: readStat(pid)?.startedAt ?? "" };
}

/** Whether this very process still runs. */
export function isStillRunning(identity: ProcessIdentity): boolean {
  return (
    isAlive(identity.pid) &&
    (identity.startedAt === "" || identifyProcess(identity.pid).startedAt === identity.startedAt)
  );
}

/**
 * Whether a process runs, ours or not. One that has ended and was not collected does not: in a container whose first
 * process collects nobody, it would otherwise run for ever.
 */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  return readStat(pid)?.state !== "Z";
}

/** What Linux says of a process, by proc(5): fields 3 and 22 of `stat`, the latter with the boot it counts from. */
function readStat(pid: number): { state: string; startedAt: string } | undefined {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field, the program's name, may hold spaces; it ends at the last bracket.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0] ?? "", startedAt: `${boot}:${fields[19] ?? ""}` };
  } catch {
    return undefined;
  }
}
