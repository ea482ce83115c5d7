import { spawn } from "node:child_process";
import { closeSync, openSync, statSync } from "node:fs";
import { readLogTail } from "./log-tail.js";

/** A silo that runs in a process of its own. */
export interface SiloProcess {
  readonly pid: number;
  /** Settles when it has ended, with how: `exit code 1`, `SIGKILL`. */
  readonly ended: Promise<string>;
  kill(signal: NodeJS.Signals): void;
  /** The last lines that this process logged. */
  tail(): string[];
}

const TAIL_LINES = 8;

/**
 * Starts a process that ends when this one does, even by SIGKILL: it follows the channel between the two. It has a
 * process group of its own, so that Ctrl-C reaches only the supervisor, which then stops the silos in order.
 *
 * @param options.args - the script and its arguments, run by this node.
 * @param options.logFile - what it prints is added to this file.
 */
export function startSiloProcess(options: {
  args: readonly string[];
  env: Readonly<Record<string, string | undefined>>;
  logFile: string;
}): SiloProcess {
  const { logFile } = options;
  const fromByte = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
  const log = openSync(logFile, "a", 0o600);
  const child = spawn(process.execPath, [...options.args], {
    env: { ...options.env },
    detached: true,
    stdio: ["ignore", log, log, "ipc"],
  });
  closeSync(log);
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(signal ?? `exit code ${code ?? 0}`));
  });
  return {
    pid: child.pid ?? 0,
    ended,
    kill: (signal) => void child.kill(signal),
    tail: () => readLogTail(logFile, { fromByte, linesMax: TAIL_LINES }),
  };
}

/** Asks all to end, and ends those that are still there after `graceMs`. */
export async function stopSiloProcesses(processes: readonly SiloProcess[], graceMs: number): Promise<void> {
  for (const silo of processes) silo.kill("SIGTERM");
  const timer = setTimeout(() => {
    for (const silo of processes) silo.kill("SIGKILL");
  }, graceMs);
  await Promise.all(processes.map((silo) => silo.ended));
  clearTimeout(timer);
}
