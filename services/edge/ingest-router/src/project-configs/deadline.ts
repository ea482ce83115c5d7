/** When everything must be over. */
export interface Deadline {
  /** Milliseconds that are left, at least 1. */
  leftMs(): number;
  /** The result, or undefined when it does not come in time or fails. */
  race<T>(result: Promise<T>): Promise<T | undefined>;
  /** Lets go of the clock. */
  end(): void;
}

/** Starts a deadline. One clock, however many wait. */
export function startDeadline(ms: number): Deadline {
  const atMs = performance.now() + ms;
  let strike = () => {};
  const over = new Promise<undefined>((resolve) => {
    strike = () => resolve(undefined);
  });
  const timer = setTimeout(strike, ms);
  return {
    leftMs: () => Math.max(1, atMs - performance.now()),
    race: (result) => Promise.race([result.catch(() => undefined), over]),
    end: () => clearTimeout(timer),
  };
}
