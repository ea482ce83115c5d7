import { randomBytes } from "node:crypto";
import { createUsernameReservedError } from "./errors.js";

/** Names that would be taken for the installation itself, or for a word in an address. In lower case. */
const RESERVED: ReadonlySet<string> = new Set(
  "abuse account accounts admin administrator api auth billing cellway control everyone help hostmaster info login logout me \
nobody noreply no-reply null official operator owner postmaster root security settings signup staff status support \
system team undefined user users webmaster www".split(" "),
);

const DERIVED_LENGTH_MAX = 50;

function isReservedUsername(username: string): boolean {
  return RESERVED.has(username.toLowerCase());
}

/** @throws INVALID_ARGUMENT / USERNAME_RESERVED */
export function assertUsernameAllowed(username: string): void {
  if (isReservedUsername(username)) throw createUsernameReservedError(username);
}

/**
 * A username for somebody of whom only an address is known: what stands before the `@`, with a random end when that is
 * reserved or `isTaken`.
 */
export function createUsernameFor(email: string, isTaken: boolean): string {
  const local = email.slice(0, email.indexOf("@")).toLowerCase();
  const plain = trimEnds(trimEnds(local.replaceAll(/[^a-z0-9._-]/g, "-")).slice(0, DERIVED_LENGTH_MAX));
  const name = /[a-z]/.test(plain) ? plain : trimEnds(`user-${plain}`);
  return isTaken || isReservedUsername(name) ? `${name}-${randomBytes(4).toString("hex")}` : name;
}

function trimEnds(text: string): string {
  return text.replaceAll(/^[^a-z0-9]+|[^a-z0-9]+$/g, "");
}
