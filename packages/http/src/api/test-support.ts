import { createCellSilo, type Silo } from "@cellway/silo";
import { createLogger, createMetrics, type Metrics } from "@cellway/telemetry";
import { z } from "zod";
import type { HttpServer } from "../pages.js";
import type { Gate, RouteLimits } from "./gate.js";
import { pageQuery } from "./paging.js";
import { defineRoute, type PublicRoute } from "./route.js";
import { startHttpServer } from "./server.js";
import type { SessionCookieOptions } from "./session-cookie.js";
import type { RequestTrust } from "./trust.js";

/** Nothing: the routes of these tests need no context. */
export type NoContext = Readonly<Record<string, never>>;

/** A server with what a test may look at. */
export interface TestServer extends HttpServer {
  readonly log: readonly string[];
  readonly metrics: Metrics;
  /** Addresses that were noted. */
  readonly noted: readonly string[];
}

/** A token of user 7, who has the scope `org:read` and is a member of `acme`, which has the id 42. */
export const MEMBER_TOKEN = `cwu_${"m".repeat(43)}`;

/** A session of user 7. */
export const MEMBER_SESSION = `cws_${"m".repeat(43)}`;

/** Serves routes for one known token and one known session. */
export async function startTestServer(
  routes: readonly PublicRoute<NoContext>[],
  options: {
    /** Default {@link DEFAULT_ROUTE_LIMITS}. */ readonly routeLimits?: RouteLimits;
    readonly silo?: Silo;
    readonly trust?: RequestTrust;
    readonly sessionCookie?: SessionCookieOptions;
    readonly now?: () => number;
  } = {},
): Promise<TestServer> {
  const log: string[] = [];
  const noted: string[] = [];
  const metrics = createMetrics({ silo: "us1" });
  const locality = { name: "us", origin: "", toUrl: (path: string) => path };
  const gate: Gate = {
    async authenticate(_localMode, token) {
      return token === MEMBER_TOKEN
        ? { userId: "7", tokenId: "70", sessionId: undefined, scopes: new Set(["org:read"]) }
        : undefined;
    },
    async authenticateSession(_localMode, secret) {
      return secret === MEMBER_SESSION
        ? { userId: "7", tokenId: undefined, sessionId: "71", scopes: "ALL" }
        : undefined;
    },
    async findOrganization(idOrSlug) {
      return idOrSlug === "acme" || idOrSlug === "42"
        ? { id: "42", slug: "acme", locality, role: "MEMBER" }
        : undefined;
    },
    noteUse: (_localMode, { userId }, ipAddress) => void noted.push(`${userId} ${ipAddress}`),
  };
  const server = await startHttpServer({
    address: "http://127.0.0.1:0",
    silo: createCellSilo("us1"),
    version: "0.2.0",
    routes: routes.map((route) => ({ route, context: {} })),
    pages: [],
    gate,
    memory: { begin: async () => ({ state: "full" }) },
    logger: createLogger({ silo: "us1", stream: { write: (line) => void log.push(line) } }),
    metrics,
    ...options,
  });
  return { ...server, log, metrics, noted };
}

/** Answers what it was given. */
export const echo: PublicRoute<NoContext> = defineRoute({
  name: "echo",
  summary: "Answers what it was given.",
  method: "POST",
  path: "/api/0/organizations/{organization_id_or_slug}/echo/",
  localMode: "CELL",
  access: { kind: "member", scope: "org:read", role: "MEMBER" },
  params: z.strictObject({ organization_id_or_slug: z.string() }),
  body: z.strictObject({ name: z.string().min(1).max(10), count: z.int().min(0).optional() }),
  response: z.object({ name: z.string(), organization_id: z.string() }),
  status: 201,
  async handle({ body, organization }) {
    // The schema of the answer knows no `secret`.
    const answer = { name: body.name, organization_id: organization?.id ?? "", secret: "not for the caller" };
    return { body: answer };
  },
});

/** Numbers from `cursor` on. */
export const numbers: PublicRoute<NoContext> = defineRoute({
  name: "listNumbers",
  summary: "Lists numbers.",
  method: "GET",
  path: "/api/0/numbers/",
  localMode: "CELL",
  access: { kind: "anyone" },
  params: z.strictObject({}),
  query: pageQuery,
  response: z.array(z.int()),
  async handle({ query }) {
    const first = Number(query.cursor);
    const next = first + query.per_page;
    return {
      body: Array.from({ length: query.per_page }, (_, index) => first + index),
      nextCursor: next < 6 ? String(next) : "",
    };
  },
});

/** A list that is to go, of more than one page. */
export const old: PublicRoute<NoContext> = defineRoute({
  name: "listOld",
  summary: "Is to go.",
  method: "GET",
  path: "/api/0/old/{thing}/",
  localMode: "CELL",
  access: { kind: "user" },
  params: z.strictObject({ thing: z.string() }),
  query: pageQuery,
  response: z.array(z.int()),
  deprecation: { since: "2026-11-01", sunset: "2027-11-01", successor: "/api/0/things/{thing}/" },
  handle: async () => ({ body: [1], nextCursor: "2" }),
});
