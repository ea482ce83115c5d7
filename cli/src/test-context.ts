import type { CommandContext, Environment } from "./context.js";

/** For tests: a context whose output can be read and whose signals can be sent. */
export interface TestContext extends CommandContext {
  readonly printed: { readonly out: string[]; readonly err: string[] };
  /** Delivers a signal to whoever listens. */
  send(signal: NodeJS.Signals): void;
}

/** Creates a context with an environment of its own. Ending the process is an error in it. */
export function createTestContext(options: { env?: Environment; cwd?: string; input?: string } = {}): TestContext {
  const printed = { out: [] as string[], err: [] as string[] };
  const listeners: { signals: readonly NodeJS.Signals[]; listener: (signal: NodeJS.Signals) => void }[] = [];
  return {
    env: options.env ?? {},
    printed,
    terminal: {
      out: (line) => void printed.out.push(line),
      err: (line) => void printed.err.push(line),
      readInput: async () => options.input ?? "",
    },
    process: {
      cwd: options.cwd ?? "/nowhere",
      onSignal(signals, listener) {
        const entry = { signals, listener };
        listeners.push(entry);
        return () => void listeners.splice(listeners.indexOf(entry), 1);
      },
      onOrphaned: () => undefined,
      exit(code) {
        throw new Error(`the process was ended with ${code}`);
      },
    },
    send(signal) {
      for (const { signals, listener } of listeners) if (signals.includes(signal)) listener(signal);
    },
  };
}
