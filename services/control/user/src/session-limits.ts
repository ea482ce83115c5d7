/** How long sessions last. */
export interface SessionTimeouts {
  /** From the login to the end, whatever happens, in seconds. */
  readonly absoluteSeconds: number;
  /** From a use to the end, in seconds; at most {@link absoluteSeconds}. Counted in steps of a tenth of it. */
  readonly idleSeconds: number;
}

const DAY_SECONDS = 24 * 60 * 60;

/** What holds when nothing else is said: 30 days, and 14 without use. */
export const DEFAULT_SESSION_TIMEOUTS: SessionTimeouts = {
  absoluteSeconds: 30 * DAY_SECONDS,
  idleSeconds: 14 * DAY_SECONDS,
};

/** The most sessions of a user. */
export const SESSIONS_MAX = 50;
/** A use is noted at most this often, in milliseconds. */
export const USE_INTERVAL_MS = 60_000;
/** The share of the idle timeout that passes before a use moves the end of a session. Cells go by the same share. */
export const IDLE_STEP_SHARE = 0.1;
