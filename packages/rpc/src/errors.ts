import { create } from "@bufbuild/protobuf";
import { ErrorInfoSchema } from "@cellway/gen/google/rpc/error_details";
import { Code, ConnectError } from "@connectrpc/connect";

/** The domain of every reason that Cellway gives. */
export const ERROR_DOMAIN = "cellway";

/** Why a request was refused before anything of it was parsed. Always UNAUTHENTICATED. */
export type RefusalReason =
  | "SIGNATURE_MISSING"
  | "SIGNATURE_MALFORMED"
  | "SIGNATURE_EXPIRED"
  | "SIGNATURE_REPLAYED"
  | "SIGNATURE_INVALID"
  | "SIGNATURE_KEY_UNKNOWN"
  | "AUDIENCE_MISMATCH"
  | "TOKEN_NOT_ALLOWED"
  | "TOKEN_METHOD_MISMATCH";

/** The reasons that the runtime itself gives. Services add their own, each in its `errors.ts`. */
export type RuntimeReason =
  | RefusalReason
  | "REPLAY_MEMORY_FULL"
  | "BODY_TOO_LARGE"
  | "BODY_TIMEOUT"
  | "UNVERIFIED_LIMIT"
  | "MALFORMED_BODY"
  | "CALLER_NOT_ALLOWED"
  | "ORGANIZATION_NOT_OWNED"
  | "WRONG_CELL"
  | "WRONG_SILO"
  | "METHOD_DISABLED"
  | "INVALID_FIELD"
  | "CELL_MAPPING_NOT_FOUND"
  | "CELL_NOT_FOUND"
  | "SEVERAL_ORGANIZATIONS"
  | "PEER_TOO_OLD"
  | "CIRCUIT_OPEN"
  | "CONCURRENCY_LIMIT"
  | "SILO_UNREACHABLE"
  | "DEADLINE_EXCEEDED"
  | "DATABASE_UNAVAILABLE";

/**
 * An error for the caller: a code, a machine-readable reason, and a sentence.
 *
 * @param options.metadata - facts for machines, such as the cell or the field.
 * @param options.cause - for the log of this process; never crosses the wire.
 */
export function createRpcError(
  code: Code,
  reason: string,
  message: string,
  options: { metadata?: Readonly<Record<string, string>>; cause?: unknown } = {},
): ConnectError {
  const info = create(ErrorInfoSchema, { reason, domain: ERROR_DOMAIN, metadata: { ...options.metadata } });
  return new ConnectError(message, code, undefined, [{ desc: ErrorInfoSchema, value: info }], options.cause);
}

/** The reason of an error made by {@link createRpcError}, here or in another silo; undefined for any other error. */
export function reasonOf(error: unknown): string | undefined {
  return infoOf(error)?.reason;
}

/** The metadata of an error made by {@link createRpcError}; empty for any other error. */
export function errorMetadataOf(error: unknown): Readonly<Record<string, string>> {
  return infoOf(error)?.metadata ?? {};
}

function infoOf(error: unknown) {
  if (!(error instanceof ConnectError)) return undefined;
  return error.findDetails(ErrorInfoSchema).find((info) => info.domain === ERROR_DOMAIN);
}

const unsent = new WeakSet<object>();

/** Marks an error as raised before the peer could have seen the request, so that a repetition is always safe. */
export function markUnsent<E extends object>(error: E): E {
  unsent.add(error);
  return error;
}

/** Takes the mark of {@link markUnsent} off: an earlier attempt of the same call may have reached the peer. */
export function clearUnsent<E>(error: E): E {
  if (typeof error === "object" && error !== null) unsent.delete(error);
  return error;
}

/** Whether the request of this failed attempt surely never reached the peer's implementation. */
export function isUnsent(error: unknown): boolean {
  return typeof error === "object" && error !== null && unsent.has(error);
}
