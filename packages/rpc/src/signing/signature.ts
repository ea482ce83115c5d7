import { createHash, createHmac, randomFillSync, timingSafeEqual } from "node:crypto";
import type { SigningKey } from "./keys.js";

/** The scheme of the authorization header of a signed request, with the version of what is signed. */
const SIGNATURE_SCHEME = "Cellway1";

/** How far the clock of a caller may be off, in either direction. */
export const CLOCK_TOLERANCE_MS = 60_000;

/** What a signature says in the open. */
export interface SignatureClaims {
  readonly keyId: string;
  /** Milliseconds since the epoch. */
  readonly timestampMs: number;
  /** 16 random bytes, base64url. */
  readonly nonce: string;
  readonly caller: string;
  readonly audience: string;
}

/** What is signed besides the claims: everything that gives the body its meaning. */
export interface SignedContent {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly contentType: string;
  /** The content encodings of all protocols, joined; empty when the body is sent as it is. */
  readonly encoding: string;
  /** The formatted viewer; empty when there is none. */
  readonly viewer: string;
  /** The body as it crosses the wire: compressed and enveloped. */
  readonly body: Uint8Array;
}

/** The header's value: `Cellway1 <key id>.<timestamp>.<nonce>.<caller>.<audience>.<HMAC-SHA256, base64url>`. */
export function signRequest(
  key: SigningKey,
  from: { caller: string; audience: string; nowMs: number },
  content: SignedContent,
): string {
  const claims: SignatureClaims = {
    keyId: key.id,
    timestampMs: from.nowMs,
    nonce: createNonce(),
    caller: from.caller,
    audience: from.audience,
  };
  const mac = computeMac(key, claims, content).toString("base64url");
  return `${SIGNATURE_SCHEME} ${claims.keyId}.${claims.timestampMs}.${claims.nonce}.${claims.caller}.${claims.audience}.${mac}`;
}

/** A parsed header: the claims and the MAC to compare. */
export interface ParsedSignature {
  readonly claims: SignatureClaims;
  readonly mac: Buffer;
}

const HEADER =
  /^Cellway1 ([A-Za-z0-9_-]{1,32})\.(\d{10,15})\.([A-Za-z0-9_-]{22})\.((?:edge:)?[a-z][a-z0-9-]{0,31})\.([a-z][a-z0-9-]{0,31})\.([A-Za-z0-9_-]{43})$/;

/** Reads a header written by {@link signRequest}; undefined when it is anything else. */
export function parseSignature(header: string): ParsedSignature | undefined {
  const match = HEADER.exec(header);
  if (match === null) return undefined;
  const [, keyId = "", timestamp = "", nonce = "", caller = "", audience = "", mac = ""] = match;
  return {
    claims: { keyId, timestampMs: Number(timestamp), nonce, caller, audience },
    mac: Buffer.from(mac, "base64url"),
  };
}

/** Whether the signature was made with `key` over exactly this content. Compares in constant time. */
export function isSignedWith(key: SigningKey, signature: ParsedSignature, content: SignedContent): boolean {
  const expected = computeMac(key, signature.claims, content);
  return expected.byteLength === signature.mac.byteLength && timingSafeEqual(expected, signature.mac);
}

/** Joins the encodings that the three protocols name in different headers. */
export function joinEncodings(header: Headers): string {
  const unary = header.get("content-encoding") ?? "";
  const connect = header.get("connect-content-encoding") ?? "";
  const grpc = header.get("grpc-encoding") ?? "";
  return unary === "" && connect === "" && grpc === "" ? "" : `${unary}|${connect}|${grpc}`;
}

function computeMac(key: SigningKey, claims: SignatureClaims, content: SignedContent): Buffer {
  const bodyHash = createHash("sha256").update(content.body).digest("base64url");
  // No field can hold a line break: paths, header values and names cannot, the rest is checked by the pattern above.
  return createHmac("sha256", key.secret)
    .update(
      `${SIGNATURE_SCHEME}\n${content.path}\n${claims.keyId}\n${claims.timestampMs}\n${claims.nonce}\n${claims.caller}\n` +
        `${claims.audience}\n${content.contentType}\n${content.encoding}\n${content.viewer}\n${bodyHash}`,
    )
    .digest();
}

const NONCE_BYTES = 16;
const pool = Buffer.alloc(NONCE_BYTES * 256);
let poolOffset = pool.byteLength;

function createNonce(): string {
  if (poolOffset === pool.byteLength) {
    randomFillSync(pool);
    poolOffset = 0;
  }
  const nonce = pool.toString("base64url", poolOffset, poolOffset + NONCE_BYTES);
  poolOffset += NONCE_BYTES;
  return nonce;
}
