import type { FastifyInstance } from "fastify";
import type { RequestTrust } from "./trust.js";

/** For how long a browser may remember what a preflight was answered, in seconds. */
const PREFLIGHT_MAX_AGE_SECONDS = 600;
const METHODS = "GET, POST, PUT, PATCH, DELETE";
const REQUEST_HEADERS = "authorization, content-type, idempotency-key, traceparent, x-request-id";
const EXPOSED_HEADERS =
  "deprecation, link, ratelimit-limit, ratelimit-remaining, ratelimit-reset, retry-after, sunset, x-request-id";

/**
 * Lets pages of allowed origins read answers, and send requests that change something, with their user's cookie. Of any other
 * origin, and without one that is allowed, nothing is said: browsers then keep to their own rule.
 */
export function allowOrigins(app: FastifyInstance, { allowedOrigins }: RequestTrust): void {
  if (allowedOrigins === undefined || allowedOrigins.size === 0) return;
  app.addHook("onRequest", async (request, reply) => {
    reply.header("vary", "origin");
    const { origin, "access-control-request-method": asked } = request.headers;
    if (origin === undefined || !allowedOrigins.has(origin)) return;
    reply.headers({
      "access-control-allow-origin": origin,
      "access-control-allow-credentials": "true",
      "access-control-expose-headers": EXPOSED_HEADERS,
    });
    if (request.method !== "OPTIONS" || asked === undefined) return;
    return reply
      .code(204)
      .headers({
        "access-control-allow-methods": METHODS,
        "access-control-allow-headers": REQUEST_HEADERS,
        "access-control-max-age": String(PREFLIGHT_MAX_AGE_SECONDS),
      })
      .send();
  });
}
