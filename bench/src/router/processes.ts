import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";

const READY_MAX_MS = 60_000;

/** Ends a process, at once. */
export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

/** A process that is measured. */
export interface MeasuredProcess {
  /** CPU that all its threads have used, in microseconds. */
  readonly cpuMicros: () => number;
  /** Memory that it holds now, in bytes. */
  readonly residentBytes: () => number;
  stop(): Promise<void>;
}

/** Starts a program and waits until its port takes connections. @throws when it ends before. */
export async function startProgram(
  [file, ...args]: readonly [string, ...string[]],
  { port, env, isReady }: { port: number; env?: Record<string, string>; isReady?: () => Promise<boolean> },
): Promise<MeasuredProcess> {
  const child = spawn(file, args, {
    env: { PATH: process.env["PATH"], ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-2_000);
  });
  const giveUpAt = performance.now() + READY_MAX_MS;
  while (!(await isListening(port)) || (await isReady?.()) === false) {
    if (child.exitCode !== null) throw new Error(`${file} ended with ${child.exitCode}: ${said}`);
    if (performance.now() > giveUpAt) {
      await endProcess(child);
      throw new Error(`${file} does not listen at ${port}: ${said}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { pid = 0 } = child;
  return {
    cpuMicros: () => readCpuMicros(pid),
    residentBytes: () => readResidentBytes(pid),
    stop: () => endProcess(child),
  };
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** From /proc, in nanoseconds there: the ticks of `stat` are too coarse for a window of a second. */
function readCpuMicros(pid: number): number {
  let nanos = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    nanos += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "latin1").split(" ", 1)[0]);
  }
  return nanos / 1_000;
}

function readResidentBytes(pid: number): number {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
  if (kibibytes === undefined) throw new Error(`/proc/${pid}/status does not tell VmRSS.`);
  return Number(kibibytes) * 1_024;
}
