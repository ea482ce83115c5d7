import type { IncomingMessage } from "node:http";
import { ProblemError } from "./problem-error.js";
import type { RequestClient, RequestTrust } from "./trust.js";

/** Methods that change nothing. */
const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * Refuses what another site made a browser send with its user's cookie. A browser says where a request comes from, in `Origin`
 * and `Sec-Fetch-Site`, and no page can change what it says. A request is let through from the host that it asks, and from
 * origins that are allowed by setting.
 *
 * @param isRequired - also refuse a request that does not say where it comes from.
 * @throws 403 / ORIGIN_NOT_ALLOWED
 */
export function assertOwnOrigin(
  req: IncomingMessage,
  client: RequestClient,
  { allowedOrigins }: RequestTrust,
  { isRequired }: { readonly isRequired: boolean },
): void {
  if (SAFE_METHODS.has(req.method ?? "")) return;
  const { origin, "sec-fetch-site": site } = req.headers;
  if (origin !== undefined) {
    if (isOwn(origin, client) || allowedOrigins?.has(origin) === true) return;
  } else if (site === undefined ? !isRequired : site === "same-origin") return;
  const own = `${client.isHttps ? "https" : "http"}://${client.host}`;
  throw new ProblemError(
    403,
    "ORIGIN_NOT_ALLOWED",
    `With a session cookie a request must say that it comes from here: Origin: ${own}.`,
  );
}

/** Whoever came by https is not believed to be at home with http: anybody on the way may speak for that. */
function isOwn(origin: string, { host, isHttps }: RequestClient): boolean {
  const match = /^(https?):\/\/([^/?#@]+)$/.exec(origin);
  const [, scheme, originHost = ""] = match ?? [];
  if (scheme === undefined || (isHttps && scheme !== "https")) return false;
  return withoutDefaultPort(originHost, scheme) === withoutDefaultPort(host, scheme) && host !== "";
}

function withoutDefaultPort(host: string, scheme: string): string {
  return host.toLowerCase().replace(scheme === "https" ? /:443$/ : /:80$/, "");
}
