import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

/** A new invite token, 256 bits in URL-safe text, with the hash that is all that is kept of it. */
export function createInviteToken(): { token: string; hash: Buffer } {
  const token = randomBytes(32).toString("base64url");
  return { token, hash: hashToken(token) };
}

/** Whether this is the token that was hashed. Takes the same time whatever the answer. */
export function isInviteToken(token: string, hash: Buffer | null): boolean {
  return hash !== null && timingSafeEqual(hashToken(token), hash);
}

function hashToken(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
