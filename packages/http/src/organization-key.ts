/** The greatest 64-bit id. */
const ID_MAX = 2n ** 63n - 1n;

/** Digits that may be an id; see {@link isId}. */
export const ID_PATTERN = /^[1-9]\d{0,18}$/;

/** Lower-case letters, digits and single dashes. */
export const SLUG_PATTERN = /^(?:[a-z0-9]+-)*[a-z0-9]+$/;

/** The longest slug. */
export const SLUG_LENGTH_MAX = 50;

/** Whether a text is an id as answers write it: digits without leading zeros, from 1 to the greatest there is. */
export function isId(text: string): boolean {
  return ID_PATTERN.test(text) && BigInt(text) <= ID_MAX;
}

/** By what a path names an organization. */
export interface OrganizationKey {
  readonly kind: "id" | "slug";
  readonly value: string;
}

/** Reads what a path has in the place of an organization: digits only are an id. Undefined for what no organization has. */
export function parseOrganizationKey(text: string): OrganizationKey | undefined {
  if (/^\d+$/.test(text)) return isId(text) ? { kind: "id", value: text } : undefined;
  return text.length <= SLUG_LENGTH_MAX && SLUG_PATTERN.test(text) ? { kind: "slug", value: text } : undefined;
}
