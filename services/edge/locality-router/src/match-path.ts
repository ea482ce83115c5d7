import { parseOrganizationKey } from "@cellway/http";
import type { RouteKey } from "@cellway/locator";

/** What a path says of where a request goes. */
export type PathMatch =
  /** It carries an organization. */
  | { readonly kind: "organization"; readonly key: RouteKey }
  /** A static route: to the one cell it names. */
  | { readonly kind: "static"; readonly prefix: string; readonly cell: string }
  /** It carries what no organization can be called. */
  | { readonly kind: "noOrganization"; readonly text: string }
  /** Nothing is served at such a path. */
  | { readonly kind: "unrouted" }
  /** Two readers could take it for two paths. */
  | { readonly kind: "ambiguous" };

/** Prefixes of paths to cells: `/api/0/legacy/` to `us1`. The longest that fits holds. */
export type StaticRoutes = ReadonlyMap<string, string>;

const ORGANIZATION = /^\/api\/0\/organizations\/([^/]+)(?:\/|$)/;
/** Dot segments, also encoded ones; backslashes, empty segments and encoded separators: what other readers would resolve. */
const AMBIGUOUS = /(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)|\\|\/\/|%(?:2f|5c|00)/i;

/**
 * Reads the target of a request: `/api/0/organizations/{id_or_slug}/…`, where all digits mean an id, and static routes.
 * Query and fragment say nothing.
 */
export function matchPath(target: string, staticRoutes: StaticRoutes): PathMatch {
  const path = target.split(/[?#]/, 1)[0] ?? "";
  if (AMBIGUOUS.test(path)) return { kind: "ambiguous" };
  const text = ORGANIZATION.exec(path)?.[1];
  if (text !== undefined) return matchOrganization(text);
  let found: { prefix: string; cell: string } | undefined;
  for (const [prefix, cell] of staticRoutes) {
    if (path.startsWith(prefix) && prefix.length > (found?.prefix.length ?? 0)) found = { prefix, cell };
  }
  return found === undefined ? { kind: "unrouted" } : { kind: "static", ...found };
}

function matchOrganization(text: string): PathMatch {
  const key = parseOrganizationKey(text);
  return key === undefined ? { kind: "noOrganization", text: text.slice(0, 64) } : { kind: "organization", key };
}
