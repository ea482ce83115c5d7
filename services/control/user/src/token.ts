import { createHash, randomBytes } from "node:crypto";

/** What every API token starts with, so that people and scanners recognise one. */
export const API_TOKEN_PREFIX = "cwu_";

/** What the secret of every session starts with. */
export const SESSION_PREFIX = "cws_";

const SECRET_BYTES = 32;
/** 32 bytes as base64url. */
const API_TOKEN_PATTERN = /^cwu_[A-Za-z0-9_-]{43}$/;
const SESSION_PATTERN = /^cws_[A-Za-z0-9_-]{43}$/;

/** A secret of 256 random bits as base64url. */
export function createSecret(): string {
  return randomBytes(SECRET_BYTES).toString("base64url");
}

/** Whether a text could be an API token at all. */
export function looksLikeApiToken(text: string): boolean {
  return API_TOKEN_PATTERN.test(text);
}

/** Whether a text could be the secret of a session at all. */
export function looksLikeSession(text: string): boolean {
  return SESSION_PATTERN.test(text);
}

/**
 * What is stored of a secret. A look-up by it tells nothing by its timing: whoever could steer the hash would have to
 * know the secret.
 */
export function hashSecret(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}
