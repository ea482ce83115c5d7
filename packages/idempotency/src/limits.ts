/** How long an answer is given again, in milliseconds: a day, from when the request came first. */
export const KEPT_MS = 24 * 60 * 60 * 1000;

/** The most keys that are kept for one actor. */
export const KEYS_PER_ACTOR_MAX = 10_000;

/** The largest answer that is kept, in bytes. */
export const ANSWER_MAX_BYTES = 64 * 1024;

/** After which a request that has not ended counts as one whose process died, in milliseconds. More than a request may take. */
export const CLAIM_MS = 30_000;

/** Pause between two looks at what is too old, in milliseconds, and how many rows go in one statement. */
export const DROP_INTERVAL_MS = 10 * 60 * 1000;
export const DROP_BATCH_ROWS = 5_000;
