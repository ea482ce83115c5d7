import type { Logger } from "@cellway/telemetry";
import type { CommandContext } from "./context.js";
import { EXIT_FAILED } from "./errors.js";

/** Ctrl-C under npm or npx arrives twice: from the terminal and from npm. What comes this soon is the same request. */
const SAME_REQUEST_MS = 1_000;

/**
 * Calls `onFirst` when the process is asked to stop, by one of `signals`, and `onAgain` each time somebody who has
 * waited asks once more.
 */
export function followStopRequests(
  ctx: CommandContext,
  signals: readonly NodeJS.Signals[],
  handlers: { onFirst: () => void; onAgain: () => void },
  now: () => number = Date.now,
): void {
  let firstAtMs: number | undefined;
  ctx.process.onSignal(signals, () => {
    if (firstAtMs === undefined) {
      firstAtMs = now();
      handlers.onFirst();
    } else if (now() - firstAtMs >= SAME_REQUEST_MS) {
      handlers.onAgain();
    }
  });
}

type WhyStop = "signal" | "orphaned";

/**
 * Settles at the first request to stop, also one that comes while the process still starts. From then on it has
 * `stopMaxMs`, whatever it waits for; a second request ends it at once.
 */
export function waitForStop(ctx: CommandContext, logger: Logger, stopMaxMs: number): Promise<WhyStop> {
  return new Promise((resolve) => {
    const ask = (why: WhyStop) => {
      setTimeout(() => {
        logger.error("the process did not stop in time and is ended");
        ctx.process.exit(EXIT_FAILED);
      }, stopMaxMs).unref();
      resolve(why);
    };
    followStopRequests(ctx, ["SIGTERM", "SIGINT"], {
      onFirst: () => ask("signal"),
      onAgain: () => ctx.process.exit(EXIT_FAILED),
    });
    ctx.process.onOrphaned(() => ask("orphaned"));
  });
}
