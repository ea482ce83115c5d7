import type { LocalMode } from "@cellway/silo";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Gate } from "./gate.js";
import { ProblemError } from "./problem-error.js";
import type { Principal } from "./route.js";
import { formatEndedSessionCookies, readSessionCookies, type SessionCookieOptions } from "./session-cookie.js";
import type { RequestClient } from "./trust.js";

const TOKEN_MAX_LENGTH = 256;

/** What a request says who it speaks for. */
export interface Credential {
  readonly kind: "token" | "session";
  readonly secret: string;
}

/**
 * The API token of a request, else its session. A request that has a bearer token speaks for that alone, whatever cookies
 * a browser added; also when the token is not accepted.
 *
 * @throws 401 / SESSION_AMBIGUOUS for several sessions: which is meant nobody can say, and one may be a stranger's. All of
 * them are taken away.
 */
export function readCredential(
  request: FastifyRequest,
  reply: FastifyReply,
  { client, cookie }: { readonly client: RequestClient; readonly cookie: SessionCookieOptions },
): Credential | undefined {
  const { authorization } = request.headers;
  if (authorization !== undefined && /^Bearer\b/i.test(authorization)) {
    if (authorization.length > TOKEN_MAX_LENGTH) return undefined;
    const secret = /^Bearer +([A-Za-z0-9._~+/=-]+) *$/i.exec(authorization)?.[1];
    return secret === undefined ? undefined : { kind: "token", secret };
  }
  const [secret, ...others] = readSessionCookies(request.raw);
  if (secret === undefined) return undefined;
  if (others.length === 0) return { kind: "session", secret };
  reply.header("set-cookie", [...formatEndedSessionCookies(cookie, client.isHttps)]);
  throw new ProblemError(
    401,
    "SESSION_AMBIGUOUS",
    "The request has several sessions; all were taken away: log in again.",
  );
}

/** Whom a credential speaks for, or undefined when it is none that is accepted. */
export function authenticate(
  gate: Gate,
  localMode: LocalMode,
  { kind, secret }: Credential,
): Promise<Principal | undefined> {
  return kind === "token" ? gate.authenticate(localMode, secret) : gate.authenticateSession(localMode, secret);
}

/** Why a request speaks for nobody. */
export function createUnauthenticatedProblem(credential: Credential | undefined): ProblemError {
  if (credential?.kind === "session") {
    return new ProblemError(401, "SESSION_INVALID", "The session has ended, or is none: log in again.", {
      headers: { "www-authenticate": 'Bearer realm="cellway"' },
    });
  }
  const isGiven = credential !== undefined;
  const challenge = isGiven ? 'Bearer realm="cellway", error="invalid_token"' : 'Bearer realm="cellway"';
  const detail = isGiven
    ? "The token is not accepted."
    : "Send an API token, Authorization: Bearer TOKEN, or log in and send the session's cookie.";
  return new ProblemError(401, isGiven ? "TOKEN_INVALID" : "TOKEN_MISSING", detail, {
    headers: { "www-authenticate": challenge },
  });
}
