import { createRpcError } from "@cellway/rpc";
import { Code, type ConnectError } from "@connectrpc/connect";
import { KIND_PHRASES, type RouteKey } from "./route-directory.js";

/** UNAVAILABLE / ROUTE_UNKNOWN: nothing is known of the key here, and control does not answer. Never a "not found". */
export function createRouteUnknownError(key: RouteKey, cause: unknown): ConnectError {
  return createRpcError(
    Code.Unavailable,
    "ROUTE_UNKNOWN",
    `Where ${KIND_PHRASES[key.kind]} ${key.value} leads is not known here, and control does not answer.`,
    { metadata: { [key.kind]: key.value }, cause },
  );
}

/** RESOURCE_EXHAUSTED / LOCATOR_QUESTIONS_LIMIT: too many unknown keys at a time. */
export function createQuestionsLimitError(questionsMax: number): ConnectError {
  return createRpcError(
    Code.ResourceExhausted,
    "LOCATOR_QUESTIONS_LIMIT",
    `${questionsMax} unknown organizations are being asked for; repeat it in a moment.`,
  );
}

/** A disk copy that must not be used. The message says why. */
export class DiskCopyError extends Error {
  override readonly name = "DiskCopyError";
}
