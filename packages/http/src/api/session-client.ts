import type { FastifyReply, FastifyRequest } from "fastify";
import type { SessionClient } from "./route.js";
import {
  formatEndedSessionCookies,
  formatSessionCookies,
  type GivenSession,
  readSessionCookies,
  type SessionCookieOptions,
} from "./session-cookie.js";
import type { RequestClient } from "./trust.js";

const USER_AGENT_MAX_LENGTH = 200;

/** What routes that handle sessions are told of who sent a request. */
export function readSessionClient(request: FastifyRequest, { address }: RequestClient): SessionClient {
  const userAgent = request.headers["user-agent"] ?? "";
  return {
    // A zone is a thing of this machine.
    ipAddress: address.split("%", 1)[0] ?? "",
    userAgent: userAgent.replaceAll(/[^\x20-\x7e]/g, "").slice(0, USER_AGENT_MAX_LENGTH),
    secrets: readSessionCookies(request.raw),
  };
}

/** Sets the session cookie with an answer, or takes it away. */
export function setSession(
  reply: FastifyReply,
  session: GivenSession | null,
  options: SessionCookieOptions,
  isHttps: boolean,
): void {
  const cookies =
    session === null
      ? [...formatEndedSessionCookies(options, isHttps)]
      : [...formatSessionCookies(session, options, { isHttps, nowMs: Date.now() })];
  reply.header("set-cookie", cookies);
}
