import { adoptTraceparent, withCallContext } from "@cellway/rpc";
import type { Silo } from "@cellway/silo";
import type { Metrics } from "@cellway/telemetry";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { z } from "zod";
import { authenticate, createUnauthenticatedProblem, readCredential } from "./credential.js";
import { toDeprecationHeaders } from "./deprecation.js";
import type { Gate, RouteLimits } from "./gate.js";
import { type AnswerMemory, answerOnce, remembersAnswers, type SentAnswer } from "./idempotency.js";
import { BODY_DEPTH_MAX, isDeeperThan } from "./json-depth.js";
import { findAbsence } from "./misdirected.js";
import { formatNextLink } from "./paging.js";
import { createNotFoundProblem, ProblemError } from "./problem-error.js";
import type { RateLimiter } from "./rate-limit.js";
import { hasScope, isAtLeast, type Principal, type PublicRoute, type RouteOrganization } from "./route.js";
import { readSessionClient, setSession } from "./session-client.js";
import { narrowCookie, type SessionCookieOptions } from "./session-cookie.js";
import { assertOwnOrigin } from "./session-origin.js";
import { type RequestClient, type RequestTrust, readClient, toLimitKey } from "./trust.js";

/** How long a request may take, in milliseconds: the deadline of every call that it makes. */
const REQUEST_DEADLINE_MS = 20_000;

/** What serving a route needs. */
export interface RouteParts {
  readonly silo: Silo;
  readonly gate: Gate;
  readonly limiter: RateLimiter;
  readonly limits: RouteLimits;
  readonly trust: RequestTrust;
  readonly memory: AnswerMemory;
  readonly metrics: Metrics;
  readonly sessionCookie: SessionCookieOptions;
}

/** Serves one request: who asks, how often, for what organization, with what; then the handler. */
export async function serveRoute<C>(
  { route, context }: { readonly route: PublicRoute<C>; readonly context: C },
  parts: RouteParts,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const { localMode } = route;
  const siloName = parts.silo.name;
  const client = readClient(request.raw, parts.trust);
  if (route.deprecation !== undefined) {
    reply.headers(toDeprecationHeaders(route.deprecation, request.params as Record<string, string>));
  }
  const call = {
    localMode,
    siloName,
    caller: siloName,
    viewer: undefined,
    deadlineAtMs: Date.now() + REQUEST_DEADLINE_MS,
    signal: undefined,
    traceparent: adoptTraceparent(readHeader(request, "traceparent") ?? null),
  };
  const principal = await withCallContext(call, () => admit(route, parts, { request, reply, client }));
  const viewer =
    principal === undefined
      ? undefined
      : ({
          kind: "user",
          userId: principal.userId,
          ...(principal.tokenId === undefined ? {} : { tokenId: principal.tokenId }),
          ipAddress: client.address,
        } as const);
  return withCallContext({ ...call, viewer }, async () => {
    const params = parse(route.params, request.params, "path");
    const organization = await findOrganization(route, parts, request, principal);
    if (organization !== undefined) {
      reply.headers(parts.limiter.take("organization", organization.id, parts.limits.perOrganization));
    }
    const query = route.query === undefined ? {} : parse(route.query, request.query, "query");
    const body = readBody(route.body, request.body);
    const idempotencyKey = readIdempotencyKey(route, request);
    takeOwnLimits(route, parts, reply, { client, body, principal });
    const sessionClient = route.handlesSessions === true ? readSessionClient(request, client) : undefined;
    const asked = { context, params, query, body, principal, organization, idempotencyKey, sessionClient };
    const carryOut = async (): Promise<SentAnswer> => {
      const { session, nextCursor, body: said } = await route.handle(asked);
      const cookie = session === null ? parts.sessionCookie : narrowCookie(parts.sessionCookie, client.host);
      if (session !== undefined) setSession(reply, session, cookie, client.isHttps);
      const sent = { status: route.status ?? 200, body: route.response.parse(said) };
      return nextCursor === undefined ? sent : { ...sent, nextCursor };
    };
    const isOnce = idempotencyKey !== undefined && principal !== undefined && remembersAnswers(route);
    const answer = isOnce
      ? await answerOnce(parts, { localMode, principal, key: idempotencyKey, request, reply }, carryOut)
      : await carryOut();
    const next = answer.nextCursor;
    if (next !== undefined && next !== "") addLink(reply, formatNextLink(request.url, next));
    reply.code(answer.status);
    return answer.body;
  });
}

/** Who asks. @throws 401, 403, 429. */
async function admit<C>(
  route: PublicRoute<C>,
  { gate, limiter, limits, trust, sessionCookie: cookie }: RouteParts,
  { request, reply, client }: { request: FastifyRequest; reply: FastifyReply; client: RequestClient },
): Promise<Principal | undefined> {
  const asStranger = (): void => {
    reply.headers(limiter.take("address", toLimitKey(client.address), limits.perStranger));
  };
  if (route.handlesSessions === true) assertOwnOrigin(request.raw, client, trust, { isRequired: false });
  if (route.access.kind === "anyone") {
    asStranger();
    return undefined;
  }
  const credential = readCredential(request, reply, { client, cookie });
  if (credential?.kind === "session") assertOwnOrigin(request.raw, client, trust, { isRequired: true });
  const principal = credential && (await authenticate(gate, route.localMode, credential));
  if (principal === undefined) {
    asStranger();
    throw createUnauthenticatedProblem(credential);
  }
  const { tokenId, sessionId = "" } = principal;
  reply.headers(
    tokenId === undefined
      ? limiter.take("session", sessionId, limits.perToken)
      : limiter.take("token", tokenId, limits.perToken),
  );
  gate.noteUse(route.localMode, principal, client.address);
  const { scope } = route.access;
  if (scope !== undefined && !hasScope(principal, scope)) {
    throw new ProblemError(403, "SCOPE_MISSING", `The token does not have the scope ${scope}.`);
  }
  return principal;
}

/** The organization of the path. @throws 404 for whoever is no member, 403 for a member of too low a role. */
async function findOrganization<C>(
  { access }: PublicRoute<C>,
  { gate }: RouteParts,
  request: FastifyRequest,
  principal: Principal | undefined,
): Promise<RouteOrganization | undefined> {
  if (principal === undefined || (access.kind !== "member" && access.kind !== "invited")) return undefined;
  const { organization_id_or_slug: idOrSlug } = request.params as { organization_id_or_slug: string };
  const asStranger = access.kind === "invited";
  const organization = await gate.findOrganization(idOrSlug, principal.userId, { asStranger });
  if (organization === undefined) throw await findAbsence(gate, request, idOrSlug);
  if (access.kind === "member") {
    if (organization.role === undefined) throw createNotFoundProblem();
    if (!isAtLeast(organization.role, access.role)) {
      const wanted = access.role.toLowerCase();
      throw new ProblemError(
        403,
        "ROLE_TOO_LOW",
        `This takes the role ${wanted} in the organization, or a higher one.`,
      );
    }
  }
  return organization;
}

/** The limits that a route has beside those of all routes. @throws 429 */
function takeOwnLimits<C>(
  { name, rateLimits = [] }: PublicRoute<C>,
  { limiter }: RouteParts,
  reply: FastifyReply,
  { client, ...call }: { client: RequestClient; body: unknown; principal: Principal | undefined },
): void {
  for (const { of, perMinute, keyOf } of rateLimits) {
    reply.headers(
      limiter.take(`${name} ${of}`, keyOf === undefined ? toLimitKey(client.address) : keyOf(call), perMinute),
    );
  }
}

/** Beside links that were said before, RFC 8288 §3. */
function addLink(reply: FastifyReply, link: string): void {
  const before = reply.getHeader("link");
  reply.header("link", typeof before === "string" ? `${before}, ${link}` : link);
}

/** @throws 400 for one that is malformed, or that would be ignored: whoever sends it relies on it. */
function readIdempotencyKey<C>(route: PublicRoute<C>, request: FastifyRequest): string | undefined {
  const key = readHeader(request, "idempotency-key");
  if (key === undefined) return undefined;
  if (route.takesIdempotencyKey !== true && !remembersAnswers(route)) {
    throw new ProblemError(400, "IDEMPOTENCY_KEY_UNSUPPORTED", "This route does not take an Idempotency-Key.");
  }
  if (/^[\x21-\x7e]{1,128}$/.test(key)) return key;
  throw new ProblemError(400, "IDEMPOTENCY_KEY_INVALID", "An Idempotency-Key is 1 to 128 visible ASCII characters.");
}

function readHeader(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === "string" ? value : undefined;
}

function readBody(schema: z.ZodType | undefined, body: unknown): unknown {
  if (isDeeperThan(body, BODY_DEPTH_MAX)) {
    throw new ProblemError(400, "BODY_TOO_DEEP", `A body is nested at most ${BODY_DEPTH_MAX} deep.`);
  }
  if (schema !== undefined) return parse(schema, body, "body");
  if (body === undefined || body === null) return undefined;
  throw new ProblemError(400, "BODY_NOT_EXPECTED", "This route takes no body.");
}

/** @throws 400 / INVALID_REQUEST that names each field that breaks a rule. */
function parse(schema: z.ZodType, value: unknown, place: "path" | "query" | "body"): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const errors = result.error.issues.map((issue) => ({
    field: [place, ...issue.path.map(String)].join("."),
    detail: issue.message,
  }));
  const named = errors.map(({ field }) => field).slice(0, 5);
  throw new ProblemError(400, "INVALID_REQUEST", `The request breaks a rule: ${named.join(", ")}.`, { errors });
}
