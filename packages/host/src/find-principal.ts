import { createHash } from "node:crypto";
import type { Principal } from "@cellway/http";
import { RecentKeys } from "./recent-keys.js";

/** How long a secret that nobody knew stays unknown without asking again, in milliseconds. */
const UNKNOWN_MS = 5_000;
/** The most secrets that are remembered to be unknown. */
const UNKNOWN_MAX = 10_000;

/**
 * Finds whom a secret speaks for by asking `find`. One that does not look like `pattern` is refused without asking anybody, and
 * one that nobody knew is not asked for again for {@link UNKNOWN_MS}. Remembered is no secret, but its hash.
 */
export function createPrincipalFinder(
  { pattern, now }: { readonly pattern: RegExp; readonly now: () => number },
  find: (secret: string) => Promise<Principal | undefined>,
): (secret: string) => Promise<Principal | undefined> {
  const unknown = new RecentKeys(UNKNOWN_MS, UNKNOWN_MAX, now);
  return async (secret) => {
    if (!pattern.test(secret)) return undefined;
    const fingerprint = createHash("sha256").update(secret).digest("base64url");
    if (unknown.has(fingerprint)) return undefined;
    const principal = await find(secret);
    if (principal === undefined) unknown.add(fingerprint);
    return principal;
  };
}
