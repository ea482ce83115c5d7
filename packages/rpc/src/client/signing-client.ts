import { Code } from "@connectrpc/connect";
import {
  createAsyncIterable,
  type UniversalClientFn,
  type UniversalClientResponse,
} from "@connectrpc/connect/protocol";
import { createRpcError, markUnsent } from "../errors.js";
import { collectBody } from "../network/network.js";
import { createTooLargeError } from "../network/network-errors.js";
import type { KeyRing } from "../signing/keys.js";
import { joinEncodings, type SignedContent, signRequest } from "../signing/signature.js";
import { VIEWER_HEADER } from "../signing/verifier.js";

/** Who signs, with what. */
export interface Signer {
  /** The name of the silo that calls. */
  readonly caller: string;
  readonly keys: KeyRing;
}

/** Set by the resolution interceptor for streams, read here, and never sent: the silo that the request is signed for. */
export const AUDIENCE_HEADER = "x-cellway-audience";

/** The authorization header for content that leaves for `audience`. @throws FAILED_PRECONDITION when there is no key. */
export function signOrThrow(signer: Signer, audience: string, content: SignedContent): string {
  const key = signer.keys.keysBetween(signer.caller, audience)[0];
  if (key !== undefined) return signRequest(key, { caller: signer.caller, audience, nowMs: Date.now() }, content);
  throw markUnsent(
    createRpcError(
      Code.FailedPrecondition,
      "SIGNATURE_KEY_UNKNOWN",
      `${signer.caller} holds no key for calls to ${audience}.`,
      {
        metadata: { caller: signer.caller, audience },
      },
    ),
  );
}

/**
 * Wraps an HTTP client so that each request is signed over the bytes that leave: serialized, compressed, enveloped.
 * It stands below the protocol, so it signs Connect, gRPC and gRPC-Web alike.
 */
export function createSigningClient(options: {
  send: UniversalClientFn;
  signer: Signer;
  messageMaxBytes: number;
  /** Called with the head of each response and the silo that it is from. What it throws, the call fails with. */
  onResponse: (silo: string, response: UniversalClientResponse) => void;
}): UniversalClientFn {
  // Envelopes and protocol framing may add a little to a message of the largest size.
  const bodyMaxBytes = options.messageMaxBytes + 1_024;
  return async function send(req) {
    const audience = req.header.get(AUDIENCE_HEADER) ?? "";
    const header = new Headers(req.header);
    header.delete(AUDIENCE_HEADER);
    const body = req.body === undefined ? new Uint8Array(0) : await collectBody(req.body, bodyMaxBytes);
    if (body === undefined) throw markUnsent(createTooLargeError("request", options.messageMaxBytes));
    const authorization = signOrThrow(options.signer, audience, {
      path: new URL(req.url).pathname,
      contentType: header.get("content-type") ?? "",
      encoding: joinEncodings(header),
      viewer: header.get(VIEWER_HEADER) ?? "",
      body,
    });
    header.set("authorization", authorization);
    const response = await options.send({ ...req, header, body: createAsyncIterable([body]) });
    options.onResponse(audience, response);
    return response;
  };
}
