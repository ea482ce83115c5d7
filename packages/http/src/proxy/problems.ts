import type { Problem } from "../problem.js";
import type { Upstream } from "./upstream.js";

/** What the proxy says when it has no answer of the upstream to give. The codes are stable. */
export type ProxyProblemCode =
  | "UPSTREAM_UNREACHABLE"
  | "UPSTREAM_CONNECT_TIMEOUT"
  | "UPSTREAM_TIMEOUT"
  | "UPSTREAM_BROKEN"
  | "UPSTREAM_BAD_ANSWER"
  | "UPSTREAM_WITHOUT_HTTP2"
  | "UPSTREAM_BUSY"
  | "UPSTREAM_CIRCUIT_OPEN"
  | "REQUEST_TIMEOUT"
  | "REQUEST_LOOP"
  | "REQUEST_INVALID";

const TABLE: Readonly<Record<ProxyProblemCode, readonly [status: number, title: string, detail: string]>> = {
  UPSTREAM_UNREACHABLE: [502, "Cell unreachable", "{upstream} cannot be reached; repeat the request in a moment."],
  UPSTREAM_CONNECT_TIMEOUT: [504, "Cell unreachable", "{upstream} did not accept a connection in time."],
  UPSTREAM_TIMEOUT: [
    504,
    "No answer in time",
    "{upstream} did not begin to answer in time. The request may have been carried out.",
  ],
  UPSTREAM_BROKEN: [
    502,
    "Connection lost",
    "{upstream} ended the connection before it answered. The request may have been carried out.",
  ],
  UPSTREAM_BAD_ANSWER: [502, "Bad answer", "What {upstream} answered is not HTTP, or its headers are too large."],
  UPSTREAM_WITHOUT_HTTP2: [
    501,
    "No HTTP/2",
    "{upstream} does not speak HTTP/2 at its HTTP address, and gRPC needs it.",
  ],
  UPSTREAM_BUSY: [
    429,
    "Too many requests",
    "Too many requests to {upstream} are in flight; repeat it after the time in retry-after.",
  ],
  UPSTREAM_CIRCUIT_OPEN: [
    503,
    "Cell left alone",
    "{upstream} failed too often and is left alone for a moment; repeat it after the time in retry-after.",
  ],
  REQUEST_TIMEOUT: [408, "Request incomplete", "The body of the request did not arrive in time."],
  REQUEST_LOOP: [508, "Loop", "The request has been here before: {upstream}'s address leads back to this process."],
  REQUEST_INVALID: [
    400,
    "Invalid request",
    "The request cannot be sent on to {upstream}: its path, method or a header is not valid.",
  ],
};

/** The problem of a code, about an upstream. */
export function createProxyProblem(code: ProxyProblemCode, upstream: Upstream): Problem {
  const [status, title, detail] = TABLE[code];
  const headers = status === 429 || status === 503 ? { "retry-after": String(upstream.limits.retryAfterS) } : undefined;
  return {
    status,
    code,
    title,
    detail: detail.replace("{upstream}", upstream.name),
    extensions: { upstream: upstream.name },
    ...(headers !== undefined && { headers }),
  };
}

/** How an attempt failed. `unsent`: no byte of the request can have reached the upstream. */
export interface AttemptFailure {
  readonly code: ProxyProblemCode;
  readonly why: "unsent" | "broken" | "other";
  /**
   * Whom it speaks against: the upstream, or nobody. Default the upstream where the request had come whole, as its client may have
   * been the slow one else.
   */
  readonly against?: "upstream" | "nobody";
}

const UNSENT = new Set(["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "ENOTFOUND", "EAI_AGAIN", "EADDRNOTAVAIL"]);
const BROKEN = new Set(["UPSTREAM_BROKEN", "ECONNRESET", "EPIPE", "ETIMEDOUT"]);

/** What an error of a connection says, ours or the system's. */
export function readFailure(error: unknown): AttemptFailure {
  const code = codeOf(error);
  if (code === "UPSTREAM_CONNECT_TIMEOUT") return { code: "UPSTREAM_CONNECT_TIMEOUT", why: "unsent" };
  if (code === "UPSTREAM_CONNECT" || UNSENT.has(code)) return { code: "UPSTREAM_UNREACHABLE", why: "unsent" };
  if (code === "UPSTREAM_TIMEOUT") return { code: "UPSTREAM_TIMEOUT", why: "other" };
  if (code === "UPSTREAM_STUCK") return { code: "UPSTREAM_TIMEOUT", why: "other", against: "upstream" };
  if (BROKEN.has(code)) return { code: "UPSTREAM_BROKEN", why: "broken" };
  return { code: "UPSTREAM_BAD_ANSWER", why: "other" };
}

function codeOf(error: unknown): string {
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}
