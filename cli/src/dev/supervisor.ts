import { setTimeout as delay } from "node:timers/promises";
import type { SiloProcess } from "./silo-process.js";

/** What happened to a supervised silo, for people. */
export type SupervisorEvent =
  | {
      readonly kind: "died";
      readonly silo: string;
      readonly how: string;
      readonly lines: readonly string[];
      readonly restartInMs: number;
    }
  | { readonly kind: "restarted"; readonly silo: string; readonly pid: number }
  | { readonly kind: "serving"; readonly silo: string; readonly pid: number }
  | { readonly kind: "given up"; readonly silo: string; readonly how: string; readonly lines: readonly string[] };

/** Keeps one silo running. */
export interface Supervisor {
  /** The process of now, which may have ended. */
  current(): SiloProcess;
  /** No restarts from now on. The process itself is left alone. */
  release(): void;
}

/** Restarts of one silo within {@link RESTART_WINDOW_MS}; a silo that dies once more stays down. */
export const RESTARTS_MAX = 5;
/** See {@link RESTARTS_MAX}. */
const RESTART_WINDOW_MS = 60_000;

const FIRST_PAUSE_MS = 250;

/** What a supervisor needs. */
export interface SupervisorOptions {
  readonly silo: string;
  /** Runs already. */
  readonly first: SiloProcess;
  readonly start: () => SiloProcess;
  /** Settles when the process serves; its rejection is ignored, the end of the process is not. */
  readonly waitUntilReady: (process: SiloProcess) => Promise<void>;
  readonly onEvent: (event: SupervisorEvent) => void;
  /** Default `Date.now`. */
  readonly now?: () => number;
  /** Default: a timer. */
  readonly pause?: (ms: number) => Promise<unknown>;
}

/**
 * Restarts a silo whenever it dies, each time after twice the pause of the last minute's restart before, and gives it
 * up after {@link RESTARTS_MAX} in a minute: a silo that cannot start must not fill the disk with its log.
 */
export function superviseSilo(options: SupervisorOptions): Supervisor {
  const { silo, onEvent } = options;
  const now = options.now ?? Date.now;
  const pause = options.pause ?? ((ms: number) => delay(ms));
  let current = options.first;
  let isReleased = false;
  let restartsAt: number[] = [];

  async function run(): Promise<void> {
    for (;;) {
      const how = await current.ended;
      if (isReleased) return;
      restartsAt = restartsAt.filter((at) => now() - at < RESTART_WINDOW_MS);
      if (restartsAt.length >= RESTARTS_MAX) return onEvent({ kind: "given up", silo, how, lines: current.tail() });
      const restartInMs = FIRST_PAUSE_MS * 2 ** restartsAt.length;
      onEvent({ kind: "died", silo, how, lines: current.tail(), restartInMs });
      await pause(restartInMs);
      if (isReleased) return;
      restartsAt.push(now());
      current = options.start();
      onEvent({ kind: "restarted", silo, pid: current.pid });
      announce(current);
    }
  }

  function announce(started: SiloProcess): void {
    options.waitUntilReady(started).then(
      () => {
        if (!isReleased && started === current) onEvent({ kind: "serving", silo, pid: started.pid });
      },
      () => undefined,
    );
  }

  void run();
  return {
    current: () => current,
    release() {
      isReleased = true;
    },
  };
}
