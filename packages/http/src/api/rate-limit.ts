import { ProblemError } from "./problem-error.js";

/** The length of a window, in seconds. */
const WINDOW_SECONDS = 60;
/** Keys that are counted at once; beyond it the oldest are forgotten, which is in favour of whoever they count. */
const KEYS_MAX = 50_000;

/** How many requests each key may make in a window. Counted in this process only. */
export interface RateLimiter {
  /**
   * Counts one request.
   *
   * @param scope - of what the key is, for the caller: `token`.
   * @returns the RateLimit headers. @throws 429 / RATE_LIMITED with Retry-After.
   */
  take(scope: string, key: string, limit: number): Readonly<Record<string, string>>;
}

/** Creates a limiter over fixed windows of a minute. */
export function createRateLimiter(now: () => number = Date.now): RateLimiter {
  const windows = new Map<string, { endsAtMs: number; count: number }>();
  return {
    take(scope, key, limit) {
      const nowMs = now();
      const name = `${scope}:${key}`;
      let window = windows.get(name);
      if (window === undefined || window.endsAtMs <= nowMs) {
        windows.delete(name);
        window = { endsAtMs: nowMs + WINDOW_SECONDS * 1000, count: 0 };
        windows.set(name, window);
        if (windows.size > KEYS_MAX) windows.delete(windows.keys().next().value ?? "");
      }
      window.count += 1;
      const headers = {
        "ratelimit-limit": String(limit),
        "ratelimit-remaining": String(Math.max(0, limit - window.count)),
        "ratelimit-reset": String(Math.max(1, Math.ceil((window.endsAtMs - nowMs) / 1000))),
      };
      if (window.count <= limit) return headers;
      throw new ProblemError(429, "RATE_LIMITED", `This ${scope} made more than ${limit} requests in a minute.`, {
        headers: { ...headers, "retry-after": headers["ratelimit-reset"] },
      });
    },
  };
}
