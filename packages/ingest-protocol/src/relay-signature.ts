import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { ConfigError } from "@cellway/silo";

/** Who signed. */
export const RELAY_ID_HEADER = "x-sentry-relay-id";
/** The signature. */
export const RELAY_SIGNATURE_HEADER = "x-sentry-relay-signature";

/** How old a signature may be, and how far ahead of our clock, in milliseconds. */
const AGE_MAX_MS = 300_000;
const AHEAD_MAX_MS = 60_000;
const SIGNATURE_MAX_LENGTH = 512;
const RELAY_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** 32 bytes, base64url without padding. */
const KEY_TEXT = /^[A-Za-z0-9_-]{43}$/;
/** What stands before the 32 bytes of an Ed25519 key in DER: RFC 8410. */
const PKCS8_HEAD = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI_HEAD = Buffer.from("302a300506032b6570032100", "hex");

/** What a Relay signs with. A secret. */
export interface RelayCredentials {
  readonly id: string;
  readonly secretKey: KeyObject;
}

/** Relays whose signatures are accepted: by id. */
export type RelayKeys = ReadonlyMap<string, KeyObject>;

/** Signs a body as Relay does: `base64url(Ed25519(header \0 body)).base64url(header)`. @returns the two headers. */
export function signRelayRequest({ id, secretKey }: RelayCredentials, body: Buffer, nowMs: number) {
  const header = Buffer.from(JSON.stringify({ t: new Date(nowMs).toISOString() }));
  const signature = sign(null, Buffer.concat([header, Buffer.of(0), body]), secretKey);
  return {
    [RELAY_ID_HEADER]: id,
    [RELAY_SIGNATURE_HEADER]: `${signature.toString("base64url")}.${header.toString("base64url")}`,
  };
}

/** Why a signature is not accepted, as a few words for whoever sent it; undefined when it is. */
export function findRelayFault(
  said: { readonly id: string | undefined; readonly signature: string | undefined },
  body: Buffer,
  { keys, nowMs }: { readonly keys: RelayKeys; readonly nowMs: number },
): string | undefined {
  const { id, signature } = said;
  if (id === undefined || signature === undefined) return `${RELAY_ID_HEADER} and ${RELAY_SIGNATURE_HEADER} are needed`;
  const key = keys.get(id.toLowerCase());
  const [proof = "", header = ""] = signature.length > SIGNATURE_MAX_LENGTH ? [] : signature.split(".");
  const headerBytes = Buffer.from(header, "base64url");
  const isGenuine =
    key !== undefined &&
    verify(null, Buffer.concat([headerBytes, Buffer.of(0), body]), key, Buffer.from(proof, "base64url"));
  if (!isGenuine) return "the signature is not that of a Relay that is known here";
  const atMs = readTime(headerBytes);
  if (atMs === undefined) return "the signature does not say in `t` when it was made";
  if (atMs < nowMs - AGE_MAX_MS) return "the signature is older than five minutes";
  return atMs > nowMs + AHEAD_MAX_MS ? "the signature is from the future: look at the clocks" : undefined;
}

/**
 * Reads `id=public key`, separated by commas or white space: ids are UUIDs, keys as Relay's credentials.json has them.
 *
 * @throws ConfigError that names the entry.
 */
export function parseRelayKeys(text: string, source: string): RelayKeys {
  const keys = new Map<string, KeyObject>();
  for (const [index, entry] of text
    .split(/[\s,]+/)
    .filter((part) => part !== "")
    .entries()) {
    const [id = "", key = ""] = entry.split("=", 2);
    if (!RELAY_ID.test(id) || !KEY_TEXT.test(key)) {
      const rule = "must be id=public key, as `cellway keys relay` and Relay's credentials.json have them";
      throw new ConfigError(source, `[${index}]`, entry, rule);
    }
    keys.set(id, toPublicKey(key));
  }
  return keys;
}

/** Reads `id=secret key`. @throws ConfigError that never holds the secret. */
export function parseRelayCredentials(text: string, source: string): RelayCredentials {
  const [id = "", key = ""] = text.trim().split("=", 2);
  if (RELAY_ID.test(id) && KEY_TEXT.test(key)) return { id, secretKey: toSecretKey(key) };
  const rule = "must be id=secret key, as `cellway keys relay` prints them";
  throw new ConfigError(source, "", "(hidden)", rule);
}

function toPublicKey(text: string): KeyObject {
  return createPublicKey({
    key: Buffer.concat([SPKI_HEAD, Buffer.from(text, "base64url")]),
    format: "der",
    type: "spki",
  });
}

function toSecretKey(text: string): KeyObject {
  return createPrivateKey({
    key: Buffer.concat([PKCS8_HEAD, Buffer.from(text, "base64url")]),
    format: "der",
    type: "pkcs8",
  });
}

function readTime(header: Buffer): number | undefined {
  try {
    const { t } = JSON.parse(header.toString()) as { t?: unknown };
    const atMs = typeof t === "string" ? Date.parse(t) : Number.NaN;
    return Number.isNaN(atMs) ? undefined : atMs;
  } catch {
    return undefined;
  }
}
