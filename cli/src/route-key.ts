import type { RouteKey } from "@cellway/locator";
import { UsageError } from "./errors.js";

const KINDS = new Map<string, { readonly kind: RouteKey["kind"]; readonly pattern: RegExp }>([
  ["slug", { kind: "slug", pattern: /^.{1,50}$/u }],
  ["id", { kind: "id", pattern: /^[1-9]\d{0,17}$/ }],
  ["project-key", { kind: "projectKey", pattern: /^[0-9a-f]{32}$/ }],
]);

/**
 * Reads `slug:acme`, `id:7` or `project-key:…`: what a request is routed by. Undefined for what is not written like that.
 *
 * @throws UsageError when it is, and nothing can have such a key.
 */
export function readRouteKey(text: string): RouteKey | undefined {
  const colon = text.indexOf(":");
  const known = KINDS.get(text.slice(0, Math.max(0, colon)));
  if (known === undefined) return undefined;
  const value = text.slice(colon + 1);
  if (!known.pattern.test(value)) throw new UsageError(`${text}: nothing has such a key.`);
  return { kind: known.kind, value };
}
