import type { CommandContext } from "./context.js";

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
