import { createHmac, timingSafeEqual } from "node:crypto";
import type { KeyRing } from "./keys.js";

/** The scheme of the authorization header of a tool. */
export const TOKEN_SCHEME = "Bearer";

/** The longest life of a token. */
export const TOKEN_TTL_MAX_MS = 3_600_000;

/** What a token allows. */
export interface TokenClaims {
  /** The silo it speaks for: `control`, or a cell. */
  readonly caller: string;
  /** The one silo that accepts it. */
  readonly audience: string;
  /** `organization.GetOrganization`, `organization.*` or `*`. */
  readonly method: string;
  /** Milliseconds since the epoch. */
  readonly expiresAtMs: number;
}

/**
 * A short-lived bearer for tools that cannot sign a body, such as grpcurl: limited to one silo and one method or
 * service. It does not bind the body, so it is accepted only where the operator allows it.
 *
 * @throws Error when the ring has no key for the pair.
 */
export function mintToken(keys: KeyRing, claims: TokenClaims): string {
  const key = keys.keysBetween(claims.caller, claims.audience)[0];
  if (key === undefined) throw new Error(`There is no key for calls from ${claims.caller} to ${claims.audience}.`);
  const payload = Buffer.from(JSON.stringify({ ...claims, keyId: key.id })).toString("base64url");
  return `cwt1.${payload}.${computeMac(key.secret, payload).toString("base64url")}`;
}

/** What became of a token: its claims, or why it is refused. */
export type TokenVerdict =
  | { readonly claims: TokenClaims }
  | {
      readonly refused:
        | "SIGNATURE_MALFORMED"
        | "SIGNATURE_KEY_UNKNOWN"
        | "SIGNATURE_INVALID"
        | "SIGNATURE_EXPIRED"
        | "AUDIENCE_MISMATCH";
    };

/** Verifies a token minted by {@link mintToken} for this `audience`, in constant time. */
export function verifyToken(keys: KeyRing, token: string, audience: string, nowMs: number): TokenVerdict {
  const match = /^cwt1\.([A-Za-z0-9_-]{1,1024})\.([A-Za-z0-9_-]{43})$/.exec(token);
  const payload = match?.[1] ?? "";
  const claims = match === null ? undefined : parsePayload(payload);
  if (claims === undefined) return { refused: "SIGNATURE_MALFORMED" };
  if (claims.audience !== audience) return { refused: "AUDIENCE_MISMATCH" };
  const key = keys.keysBetween(claims.caller, claims.audience).find((candidate) => candidate.id === claims.keyId);
  if (key === undefined) return { refused: "SIGNATURE_KEY_UNKNOWN" };
  const expected = computeMac(key.secret, payload);
  const given = Buffer.from(match?.[2] ?? "", "base64url");
  if (given.byteLength !== expected.byteLength || !timingSafeEqual(expected, given))
    return { refused: "SIGNATURE_INVALID" };
  if (claims.expiresAtMs <= nowMs || claims.expiresAtMs > nowMs + TOKEN_TTL_MAX_MS)
    return { refused: "SIGNATURE_EXPIRED" };
  return { claims };
}

/** Whether a token's method pattern covers the method `service.Method`. */
export function isCovered(pattern: string, method: string): boolean {
  if (pattern === "*" || pattern === method) return true;
  return pattern.endsWith(".*") && method.startsWith(pattern.slice(0, -1));
}

const SILO_NAME = /^[a-z][a-z0-9-]{0,31}$/;

function parsePayload(payload: string): (TokenClaims & { keyId: string }) | undefined {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(payload, "base64url").toString("utf8"));
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { caller, audience, method, expiresAtMs, keyId } = value as Record<string, unknown>;
  if (typeof caller !== "string" || typeof audience !== "string" || typeof method !== "string") return undefined;
  // Keys are derived for names, so nothing else may get as far as the key ring.
  if (!SILO_NAME.test(caller) || !SILO_NAME.test(audience)) return undefined;
  if (typeof expiresAtMs !== "number" || typeof keyId !== "string") return undefined;
  return { caller, audience, method, expiresAtMs, keyId };
}

function computeMac(secret: Uint8Array, payload: string): Buffer {
  return createHmac("sha256", secret).update(`cellway-token-1\n${payload}`).digest();
}
