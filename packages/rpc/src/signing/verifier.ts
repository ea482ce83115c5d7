import { isControlName, isEdgeName } from "@cellway/silo";
import { Code, type ConnectError } from "@connectrpc/connect";
import { parseViewer, type Viewer } from "../context.js";
import type { CallerKind } from "../contract.js";
import { createRpcError, type RefusalReason } from "../errors.js";
import type { KeyRing, SigningKey } from "./keys.js";
import type { NonceMemory } from "./nonce-memory.js";
import { CLOCK_TOLERANCE_MS, isSignedWith, joinEncodings, type ParsedSignature, parseSignature } from "./signature.js";
import { isCovered, TOKEN_SCHEME, verifyToken } from "./token.js";

/** The header with the formatted viewer. Covered by the signature. */
export const VIEWER_HEADER = "x-cellway-viewer";

/** Who made a request, after its signature was verified. */
export interface VerifiedCaller {
  readonly silo: string;
  readonly kind: CallerKind;
  readonly viewer: Viewer | undefined;
  /** It sent a token: some tool speaks for the silo. */
  readonly isTool?: boolean;
}

/** What the headers alone say: refused, known by its token, or signed and waiting for the body. */
export type HeaderVerdict =
  | { readonly outcome: "refused"; readonly error: ConnectError }
  | { readonly outcome: "token"; readonly caller: VerifiedCaller }
  | { readonly outcome: "signed"; readonly signature: ParsedSignature; readonly key: SigningKey };

/** Verifies requests for one silo. */
export interface Verifier {
  /** Judges the headers, before a byte of the body is read. `method` is `service.Method`. */
  checkHeader(method: string, header: Headers): HeaderVerdict;
  /** Judges a signed request by its body. Remembers the nonce, so it answers OK once. */
  checkBody(
    verdict: HeaderVerdict & { outcome: "signed" },
    path: string,
    header: Headers,
    body: Uint8Array,
  ): VerifiedCaller | ConnectError;
}

/** Which kind of caller a name belongs to. */
export function callerKindOf(silo: string): CallerKind {
  if (isControlName(silo)) return "CONTROL";
  return isEdgeName(silo) ? "EDGE" : "CELL";
}

const REMEDIES: Readonly<Record<RefusalReason, string>> = {
  SIGNATURE_MISSING:
    "The request is not signed. Sign it, or send a header from `cellway token` where tokens are allowed.",
  SIGNATURE_MALFORMED: "The authorization header is neither a signature nor a token of this version.",
  SIGNATURE_EXPIRED: `The signature's time is more than ${CLOCK_TOLERANCE_MS / 1000} s off, or the token has expired. Check the caller's clock.`,
  SIGNATURE_REPLAYED: "A request with this signature was received before.",
  SIGNATURE_INVALID: "The signature does not match the request.",
  SIGNATURE_KEY_UNKNOWN: "The signature names a key that this silo does not hold for its caller.",
  AUDIENCE_MISMATCH: "The request was signed for another silo.",
  TOKEN_NOT_ALLOWED: "This silo does not accept tokens; sign the request instead.",
  TOKEN_METHOD_MISMATCH: "The token was issued for another method.",
};

/** What a verifier is made of. */
export interface VerifierOptions {
  /** The name of the silo: the only audience that is accepted. */
  readonly silo: string;
  readonly keys: KeyRing;
  readonly nonces: NonceMemory;
  readonly tokensAllowed: boolean;
  /** Told of every refusal, for counting. */
  readonly onRefused: (reason: string) => void;
  /** Default `Date.now`. */
  readonly now?: () => number;
}

/** Creates the verifier of one silo. */
export function createVerifier(options: VerifierOptions): Verifier {
  return {
    checkHeader(method, header) {
      const authorization = header.get("authorization");
      if (authorization === null) return refused(options, "SIGNATURE_MISSING");
      if (!authorization.startsWith(TOKEN_PREFIX)) return checkSignature(options, authorization);
      return checkToken(options, method, authorization.slice(TOKEN_PREFIX.length));
    },
    checkBody({ signature, key }, path, header, body) {
      const viewer = header.get(VIEWER_HEADER) ?? "";
      const contentType = header.get("content-type") ?? "";
      const content = { path, contentType, encoding: joinEncodings(header), viewer, body };
      if (!isSignedWith(key, signature, content)) return refuse(options, "SIGNATURE_INVALID");
      const nonce = options.nonces.add(signature.claims.nonce, signature.claims.caller);
      if (nonce === "replayed") return refuse(options, "SIGNATURE_REPLAYED");
      if (nonce === "full") return refuseForNow(options);
      const { caller } = signature.claims;
      return { silo: caller, kind: callerKindOf(caller), viewer: viewer === "" ? undefined : parseViewer(viewer) };
    },
  };
}

const TOKEN_PREFIX = `${TOKEN_SCHEME} `;

function checkToken(options: VerifierOptions, method: string, token: string): HeaderVerdict {
  if (!options.tokensAllowed) return refused(options, "TOKEN_NOT_ALLOWED");
  const verdict = verifyToken(options.keys, token, options.silo, (options.now ?? Date.now)());
  if ("refused" in verdict) return refused(options, verdict.refused);
  if (!isCovered(verdict.claims.method, method)) return refused(options, "TOKEN_METHOD_MISMATCH");
  // The viewer header of a tool is not covered by its token, so it counts for nothing.
  const { caller } = verdict.claims;
  return { outcome: "token", caller: { silo: caller, kind: callerKindOf(caller), viewer: undefined, isTool: true } };
}

function checkSignature(options: VerifierOptions, authorization: string): HeaderVerdict {
  const signature = parseSignature(authorization);
  if (signature === undefined) return refused(options, "SIGNATURE_MALFORMED");
  const { caller, audience, keyId, timestampMs } = signature.claims;
  if (audience !== options.silo) return refused(options, "AUDIENCE_MISMATCH");
  if (Math.abs((options.now ?? Date.now)() - timestampMs) > CLOCK_TOLERANCE_MS)
    return refused(options, "SIGNATURE_EXPIRED");
  const key = options.keys.keysBetween(caller, audience).find((candidate) => candidate.id === keyId);
  if (key === undefined) return refused(options, "SIGNATURE_KEY_UNKNOWN");
  return { outcome: "signed", signature, key };
}

function refused(options: VerifierOptions, reason: RefusalReason): HeaderVerdict {
  return { outcome: "refused", error: refuse(options, reason) };
}

function refuse(options: VerifierOptions, reason: RefusalReason): ConnectError {
  options.onRefused(reason);
  return createRpcError(Code.Unauthenticated, reason, REMEDIES[reason], { metadata: { silo: options.silo } });
}

function refuseForNow(options: VerifierOptions): ConnectError {
  options.onRefused("REPLAY_MEMORY_FULL");
  return createRpcError(
    Code.Unavailable,
    "REPLAY_MEMORY_FULL",
    "Too many requests to remember against replay; retry later.",
  );
}
