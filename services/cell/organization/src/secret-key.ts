import { createHash, randomBytes } from "node:crypto";

/** 128 random bits in 32 lower-case hexadecimal digits: either half of a project key. */
export function createKeyHalf(): string {
  return randomBytes(16).toString("hex");
}

/** SHA-256 of a key's secret half: all that is kept of it. */
export function hashSecretKey(secretKey: string): Buffer {
  return createHash("sha256").update(secretKey).digest();
}
