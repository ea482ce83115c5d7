import { text } from "node:stream/consumers";
import type { CommandContext, ProcessControl, Terminal } from "./context.js";
import { runProgram } from "./program.js";

/** Runs the command line that this process was started with, and ends the process with its exit code. */
export async function main(): Promise<void> {
  const ctx: CommandContext = {
    env: Object.freeze({ ...process.env }),
    terminal: createTerminal(),
    process: createProcessControl(),
  };
  const exitCode = await runProgram(process.argv.slice(2), ctx);
  // Sockets that are kept for a next call must not keep the process; what is printed must get out.
  process.stdout.write("", () => process.stderr.write("", () => process.exit(exitCode)));
}

function createTerminal(): Terminal {
  // A reader that has seen enough (`| head`), or a terminal that was closed, is no reason to crash a fleet.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
  return {
    out: (line) => process.stdout.write(`${line}\n`),
    err: (line) => process.stderr.write(`${line}\n`),
    readInput: () => text(process.stdin),
  };
}

function createProcessControl(): ProcessControl {
  // Followed from the start: a supervisor may go while this process still loads its code.
  const orphaned = new Promise<void>((resolve) => {
    if (process.send === undefined) return;
    if (!process.connected) resolve();
    process.once("disconnect", resolve);
  });
  return {
    cwd: process.cwd(),
    onSignal(signals, listener) {
      for (const signal of signals) process.on(signal, listener);
      return () => {
        for (const signal of signals) process.off(signal, listener);
      };
    },
    onOrphaned(listener) {
      void orphaned.then(listener);
    },
    exit: (code) => process.exit(code),
  };
}
