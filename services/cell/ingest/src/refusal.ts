import type { Problem } from "@cellway/http";

/** Why something is not taken in. The codes are stable. */
export type IngestProblemCode =
  | "PROJECT_KEY_MISSING"
  | "PROJECT_KEY_MALFORMED"
  | "PROJECT_KEY_NOT_FOUND"
  | "PROJECT_KEY_ELSEWHERE"
  | "PROJECT_MISMATCH"
  | "KEY_RATE_LIMITED"
  | "STORAGE_FULL"
  | "INGEST_BUSY"
  | "INGEST_UNAVAILABLE"
  | "BODY_TOO_LARGE"
  | "BODY_TOO_SLOW"
  | "ENCODING_UNSUPPORTED"
  | "ENVELOPE_INVALID"
  | "EVENT_INVALID";

const TABLE: Readonly<Record<IngestProblemCode, readonly [status: number, title: string]>> = {
  PROJECT_KEY_MISSING: [401, "Project key missing"],
  PROJECT_KEY_MALFORMED: [401, "Project key malformed"],
  PROJECT_KEY_NOT_FOUND: [404, "Project key not found"],
  PROJECT_KEY_ELSEWHERE: [421, "Project key not here"],
  PROJECT_MISMATCH: [403, "Key of another project"],
  KEY_RATE_LIMITED: [429, "Too many requests"],
  STORAGE_FULL: [429, "Storage full"],
  INGEST_BUSY: [503, "Too much at a time"],
  INGEST_UNAVAILABLE: [503, "Cannot be stored now"],
  BODY_TOO_LARGE: [413, "Body too large"],
  BODY_TOO_SLOW: [408, "Body too slow"],
  ENCODING_UNSUPPORTED: [415, "Encoding unsupported"],
  ENVELOPE_INVALID: [400, "Envelope invalid"],
  EVENT_INVALID: [400, "Event invalid"],
};

/** Seconds after which what may pass is tried again. */
const RETRY_AFTER_S = 60;

/** Ends a request with a problem. */
export class Refusal extends Error {
  override readonly name = "Refusal";

  constructor(
    readonly code: IngestProblemCode,
    detail: string,
    /** How SDKs are told to hold back: `key:key_rate`, a scope and a reason; only with what may pass. */
    private readonly rateLimit?: { readonly scope: string; readonly retryAfterS?: number },
  ) {
    super(detail);
  }

  toProblem(): Problem {
    const [status, title] = TABLE[this.code];
    const retryAfterS = this.rateLimit?.retryAfterS ?? RETRY_AFTER_S;
    const headers: Record<string, string> = { "x-sentry-error": this.message };
    if (status === 429 || status === 503) headers["retry-after"] = String(status === 503 ? 1 : retryAfterS);
    if (this.rateLimit !== undefined) headers["x-sentry-rate-limits"] = `${retryAfterS}::${this.rateLimit.scope}`;
    return { status, code: this.code, title, detail: this.message, headers };
  }
}
