import { Code, ConnectError } from "@connectrpc/connect";
import { createRpcError } from "../errors.js";

/** The peer did not answer by the deadline. */
export function createDeadlineError(origin: string): ConnectError {
  return createRpcError(Code.DeadlineExceeded, "DEADLINE_EXCEEDED", `${origin} did not answer in time`, {
    metadata: { address: origin },
  });
}

/** A body over the limit, before it was sent or while it came. */
export function createTooLargeError(what: "request" | "response" | "message", maxBytes: number): ConnectError {
  return createRpcError(Code.ResourceExhausted, "BODY_TOO_LARGE", `The ${what} is larger than ${maxBytes} bytes.`, {
    metadata: { max_bytes: String(maxBytes) },
  });
}

/** No connection, or one that ended before the response did. */
export function createUnreachableError(origin: string, cause?: unknown): ConnectError {
  const detail = cause instanceof Error ? cause.message : "the connection ended before the response";
  return createRpcError(Code.Unavailable, "SILO_UNREACHABLE", `${origin} cannot be reached: ${detail}`, {
    metadata: { address: origin },
    cause,
  });
}

/** What a caller gets whose signal aborted: its own reason when that is an answer, CANCELED otherwise. */
export function toAbortError(signal: AbortSignal): ConnectError {
  return signal.reason instanceof ConnectError
    ? signal.reason
    : new ConnectError("the call was cancelled", Code.Canceled, undefined, undefined, signal.reason);
}
