import { matchPath, pathOf } from "@cellway/http";
import type { RouteKey } from "@cellway/locator";
import { UsageError } from "./errors.js";
import { readRouteKey } from "./route-key.js";

/** What is asked for where: an address of the API, a DSN, or an address that SDKs send to. */
export interface ExplainedUrl {
  /** `http://us.localhost:8100`, as clients know it. */
  readonly origin: string;
  readonly host: string;
  /** Path and query of the request; for a DSN those that its SDK sends to. */
  readonly target: string;
  /** By what it is routed; undefined where only a rule of a router can say. */
  readonly key: RouteKey | undefined;
}

/**
 * Reads a URL as routers do. Undefined for what is no URL.
 *
 * @throws UsageError for one that nothing can be asked at.
 */
export function readExplainedUrl(text: string): ExplainedUrl | undefined {
  if (!/^[a-z]+:\/\//i.test(text)) return undefined;
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol))
    throw new UsageError(`${text}: must be an http:// or https:// URL.`);
  const url = new URL(text);
  // As it was written: URL resolves dot segments, which routers refuse.
  const written = /^[a-z]+:\/\/[^/?#]*([^#]*)/i.exec(text)?.[1] ?? "";
  const { origin, host } = url;
  if (url.username !== "") {
    const target = `/api/${url.pathname.split("/").at(-1) ?? ""}/envelope/?sentry_key=${url.username}`;
    return { origin, host, target, key: readProjectKey(url.username) };
  }
  const target = written.startsWith("/") ? written : `/${written}`;
  return { origin, host, target, key: readKey(target, url) };
}

function readKey(target: string, url: URL): RouteKey | undefined {
  const match = matchPath(pathOf(target));
  if (match.kind === "organization") return match.key;
  const dsn = url.searchParams.get("dsn") ?? "";
  const publicKey = url.searchParams.get("sentry_key") ?? (URL.canParse(dsn) ? new URL(dsn).username : "");
  return publicKey === "" ? undefined : readProjectKey(publicKey);
}

function readProjectKey(text: string): RouteKey | undefined {
  return readRouteKey(`project-key:${text}`);
}
