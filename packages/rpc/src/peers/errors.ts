import { Code, ConnectError } from "@connectrpc/connect";
import { createRpcError } from "../errors.js";
import { type ContractIdentity, UNKNOWN_VERSION } from "../headers.js";

const missingPaths = new WeakMap<object, string | undefined>();

/** Whether an answer says that there is no such path. A NOT_FOUND of a method is a 404 too, but tells what in JSON. */
export function isPathMissing(status: number, contentType: string | null | undefined): boolean {
  return status === 404 && contentType?.startsWith("application/json") !== true;
}

/**
 * The error for an answer that is {@link isPathMissing}, from the silo's listener or from something on the way.
 *
 * @param contract - the contract header of the answer, if it had one.
 */
export function createPathMissingError(contract: string | undefined): ConnectError {
  const error = new ConnectError("HTTP 404", Code.Unimplemented);
  missingPaths.set(error, contract);
  return error;
}

/** The contract header that came with an error of {@link createPathMissingError}; undefined for any other error. */
export function readPathMissing(error: unknown): { readonly contract: string | undefined } | undefined {
  if (typeof error !== "object" || error === null || !missingPaths.has(error)) return undefined;
  return { contract: missingPaths.get(error) };
}

/** UNIMPLEMENTED / PEER_TOO_OLD. */
export function createTooOldError(method: string, silo: string, peer: ContractIdentity | undefined): ConnectError {
  const { version = UNKNOWN_VERSION, digest = "" } = peer ?? {};
  const message =
    peer === undefined
      ? `${silo} answers that it has no ${method}: it runs an older release, or something else is at its address.`
      : `${silo} runs release ${version}, which has no ${method} yet; ask peerSupports before calling it.`;
  return createRpcError(Code.Unimplemented, "PEER_TOO_OLD", message, { metadata: { silo, method, version, digest } });
}
