/** Bounds how many calls may be repeated, so that retries never multiply the load on a silo that struggles. */
export interface RetryBudget {
  /** Notes a first attempt; each earns a share of a repetition. */
  earn(): void;
  /** Takes one repetition; false when the budget is spent. */
  spend(): boolean;
}

/**
 * A budget that earns `share` of a repetition with each call and saves up at most `savedMax` of them. It starts full.
 */
export function createRetryBudget(options: { share: number; savedMax: number }): RetryBudget {
  let saved = options.savedMax;
  return {
    earn() {
      saved = Math.min(options.savedMax, saved + options.share);
    },
    spend() {
      if (saved < 1) return false;
      saved -= 1;
      return true;
    },
  };
}
