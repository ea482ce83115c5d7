import type { RouteKey } from "@cellway/locator";
import { parseOrganizationKey } from "../organization-key.js";

/** What a path says of where a request goes. */
export type PathMatch =
  /** It carries an organization. */
  | { readonly kind: "organization"; readonly key: RouteKey }
  /** It carries what no organization can be called. */
  | { readonly kind: "noOrganization"; readonly text: string }
  /** It is a procedure's, of Connect or gRPC, and names no organization: a header does. */
  | { readonly kind: "procedure" }
  /** It names no organization. */
  | { readonly kind: "other" }
  /** Two readers could take it for two paths. */
  | { readonly kind: "ambiguous" };

const ORGANIZATION = /^\/api\/0\/organizations\/([^/]+)(?:\/|$)/;
/** `/package.Service/Method`: what a cell serves beside its procedures has no such path. */
const PROCEDURE = /^\/[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+\/[A-Za-z_]\w*$/;
/** Dot segments, also encoded ones; backslashes, empty segments and encoded separators: what other readers would resolve. */
const AMBIGUOUS = /(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)|\\|\/\/|%(?:2f|5c|00)/i;

/**
 * The header in which a call of a procedure names its organization, by id or slug as paths do: its path has no place for it, and
 * its message is not read on the way.
 */
export const ORGANIZATION_HEADER = "cellway-organization";

/** The path of a request's target: query and fragment say nothing of where it goes. */
export function pathOf(target: string): string {
  return target.split(/[?#]/, 1)[0] ?? "";
}

/** Reads a path: `/api/0/organizations/{id_or_slug}/…`, where all digits mean an id. */
export function matchPath(path: string): PathMatch {
  if (AMBIGUOUS.test(path)) return { kind: "ambiguous" };
  const text = ORGANIZATION.exec(path)?.[1];
  if (text === undefined) return { kind: PROCEDURE.test(path) ? "procedure" : "other" };
  const key = parseOrganizationKey(text);
  return key === undefined ? { kind: "noOrganization", text: text.slice(0, 64) } : { kind: "organization", key };
}
