import type { IncomingMessage } from "node:http";

/** The name of the cookie that holds a session. */
export const SESSION_COOKIE = "cellway_session";

/** How the session cookie is set. It is always HttpOnly, SameSite=Lax and for all paths. */
export interface SessionCookieOptions {
  /** With its subdomains. Default: the very host that set it. */
  readonly domain?: string;
  /** Also where the request does not look like https. Default: only where it does. */
  readonly isAlwaysSecure?: boolean;
}

/** A session that an answer hands to its client. */
export interface GivenSession {
  /** The secret. */
  readonly token: string;
  /** When it ends at the latest. */
  readonly expiresAt: Date;
}

/** The different values that a request has for the session cookie: a browser sends each of several cookies of one name. */
export function readSessionCookies(req: Pick<IncomingMessage, "headers">): readonly string[] {
  const values = new Set<string>();
  for (const pair of (req.headers.cookie ?? "").split(";")) {
    const at = pair.indexOf("=");
    if (at !== -1 && pair.slice(0, at).trim() === SESSION_COOKIE) values.add(pair.slice(at + 1).trim());
  }
  return [...values];
}

/**
 * The Set-Cookie headers that give a session. Where a domain is set, one of the very host, from before it was, goes: a browser
 * would send both.
 */
export function formatSessionCookies(
  { token, expiresAt }: GivenSession,
  options: SessionCookieOptions,
  request: { readonly isHttps: boolean; readonly nowMs: number },
): readonly string[] {
  const maxAgeSeconds = Math.max(0, Math.floor((expiresAt.getTime() - request.nowMs) / 1000));
  const given = format(token, maxAgeSeconds, options, request.isHttps);
  const { domain, ...ofHost } = options;
  return domain === undefined ? [given] : [format("", 0, ofHost, request.isHttps), given];
}

/** The Set-Cookie headers that take a session away: also one of the very host, from before a domain was set. */
export function formatEndedSessionCookies(options: SessionCookieOptions, isHttps: boolean): readonly string[] {
  const { domain, ...ofHost } = options;
  const ended = format("", 0, ofHost, isHttps);
  return domain === undefined ? [ended] : [ended, format("", 0, options, isHttps)];
}

function format(value: string, maxAgeSeconds: number, options: SessionCookieOptions, isHttps: boolean): string {
  const { domain, isAlwaysSecure = false } = options;
  return [
    `${SESSION_COOKIE}=${value}`,
    "Path=/",
    `Max-Age=${maxAgeSeconds}`,
    ...(domain === undefined ? [] : [`Domain=${domain}`]),
    "HttpOnly",
    "SameSite=Lax",
    ...(isHttps || isAlwaysSecure ? ["Secure"] : []),
  ].join("; ");
}
