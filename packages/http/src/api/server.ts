import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { toListenOptions } from "@cellway/rpc";
import { isLocalTo, type LocalMode, type Silo, withSiloContext } from "@cellway/silo";
import type { Logger, Metrics } from "@cellway/telemetry";
import { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from "fastify";
import { CELL_HEADER } from "../cell-headers.js";
import type { HttpServer, OperatorPage } from "../pages.js";
import { PROBLEM_TYPE } from "../problem.js";
import { allowOrigins } from "./cors.js";
import { DEFAULT_ROUTE_LIMITS, type Gate, type RouteLimits } from "./gate.js";
import { attachGateway, type HttpGateway } from "./gateway.js";
import type { AnswerMemory } from "./idempotency.js";
import { createOpenApiDocument } from "./openapi.js";
import { createNotFoundProblem, ProblemError, toProblem } from "./problem-error.js";
import { createRateLimiter } from "./rate-limit.js";
import type { InternalRoute, PublicRoute } from "./route.js";
import { type RouteParts, serveRoute } from "./serve-route.js";
import type { SessionCookieOptions } from "./session-cookie.js";
import type { RequestTrust } from "./trust.js";

/** The largest body, in bytes. */
const BODY_MAX_BYTES = 256 * 1024;
/** The longest path parameter, in characters. */
const PARAMETER_MAX_LENGTH = 128;
/** In which the head of a request, and the whole of it, must be here, in milliseconds. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** Where the OpenAPI document is. */
const OPENAPI_PATH = "/api/0/openapi.json";

/** A route with the context of its service; no context when it belongs to the other side. */
export interface Mounted<Route, C> {
  readonly route: Route;
  readonly context: C | undefined;
}

/** What a server is told. */
export interface HttpServerOptions<C> {
  /** An http:// origin; port 0 lets the system choose. */
  readonly address: string;
  readonly silo: Silo;
  /** The release, for the OpenAPI document. */
  readonly version: string;
  /** Of both sides: a request for one of the other side is told apart from nonsense. */
  readonly routes: readonly Mounted<PublicRoute<C>, C>[];
  /** Default none. */
  readonly internalRoutes?: readonly Mounted<InternalRoute<C>, C>[];
  readonly pages: readonly OperatorPage[];
  readonly gate: Gate;
  /** Sends on what none of `routes` is for. Default: nothing is. */
  readonly gateway?: HttpGateway;
  readonly memory: AnswerMemory;
  /** Default {@link DEFAULT_ROUTE_LIMITS}. */
  readonly routeLimits?: RouteLimits;
  /** Default: nobody is believed. */
  readonly trust?: RequestTrust;
  /** Default: for the very host, and `Secure` where the request was https. */
  readonly sessionCookie?: SessionCookieOptions;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Default `Date.now`. */
  readonly now?: () => number;
}

/** Serves public routes, and pages for operators. Rejects when the port is taken or two routes are one. */
export async function startHttpServer<C>(options: HttpServerOptions<C>): Promise<HttpServer> {
  const app = createApp(options);
  const parts: RouteParts = {
    silo: options.silo,
    gate: options.gate,
    memory: options.memory,
    metrics: options.metrics,
    limiter: createRateLimiter(options.now),
    limits: options.routeLimits ?? DEFAULT_ROUTE_LIMITS,
    trust: options.trust ?? {},
    sessionCookie: options.sessionCookie ?? {},
  };
  addPages(app, options);
  addRoutes(app, options, parts);
  addInternalRoutes(app, options);
  const url = new URL(options.address);
  await app.listen(toListenOptions(options.address));
  const bound = app.server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : url.port;
  return { address: `http://${url.hostname}:${port}`, close: () => app.close() };
}

function createApp<C>(options: HttpServerOptions<C>): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: BODY_MAX_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    http: { headersTimeout: HEADERS_TIMEOUT_MS },
    forceCloseConnections: true,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: PARAMETER_MAX_LENGTH },
    genReqId: readRequestId,
    frameworkErrors(error, request, reply) {
      sendProblem(reply, request.id, toRequestProblem(error));
    },
    clientErrorHandler: refuseUnreadable,
  });
  app.removeContentTypeParser("text/plain");
  app.addHook("onRequest", async (request, reply) => {
    reply.headers({ "x-request-id": request.id, "x-content-type-options": "nosniff", "cache-control": "no-store" });
    if (options.silo.mode === "CELL") reply.header(CELL_HEADER, options.silo.name);
  });
  allowOrigins(app, options.trust ?? {});
  app.addHook("onResponse", async (request, reply) => {
    // A request that fastify refuses has no route.
    const { name: route, isForeign } = request.routeOptions?.config ?? {};
    // What a gateway has sent on is counted there.
    if (route === undefined || (isForeign === true && options.gateway !== undefined)) return;
    options.metrics.count("cellway_http_requests_total", { route, status: String(reply.statusCode) });
    options.metrics.observe("cellway_http_request_duration_seconds", { route }, reply.elapsedTime / 1000);
  });
  if (options.gateway !== undefined) {
    attachGateway(app, options.gateway, { timeoutMs: REQUEST_TIMEOUT_MS, refuseLate });
  }
  app.setNotFoundHandler((request, reply) => sendProblem(reply, request.id, createNotFoundProblem()));
  app.setErrorHandler((error: Error, request, reply) => {
    const problem = isOfFastify(error)
      ? toRequestProblem(error)
      : isClientGone(error, request)
        ? GONE
        : toProblem(error);
    if (problem.status >= 500) {
      options.logger.error(
        { err: problem.cause, request_id: request.id, route: request.routeOptions.url, status: problem.status },
        "an HTTP route failed",
      );
    }
    sendProblem(reply, request.id, problem);
  });
  return app;
}

function addPages<C>(app: FastifyInstance, { pages, routes, version }: HttpServerOptions<C>): void {
  for (const { path, answer } of pages) {
    app.get(path, async (_request, reply) => {
      const { status, contentType, text } = await answer();
      return reply.code(status).type(contentType).send(text);
    });
  }
  // Made when somebody asks for it: few do, and every silo would make it at its start.
  let document: string | undefined;
  app.get(OPENAPI_PATH, async (_request, reply) => {
    document ??= JSON.stringify(
      createOpenApiDocument(
        routes.map(({ route }) => route),
        version,
      ),
    );
    return reply.type("application/json; charset=utf-8").send(document);
  });
}

function addRoutes<C>(app: FastifyInstance, options: HttpServerOptions<C>, parts: RouteParts): void {
  for (const { route, context } of options.routes) {
    const { name, method, localMode } = route;
    app.route({
      method,
      url: toPattern(route.path),
      config: { name, isForeign: !isOwn({ route, context }, options) },
      handler: async (request, reply) => {
        const own = contextOrThrow({ route, context }, options);
        return withSiloContext({ localMode, siloName: options.silo.name }, () =>
          serveRoute({ route, context: own }, parts, request, reply),
        );
      },
    });
  }
}

function toPattern(path: string): string {
  return path.replace(/\{([a-z_]+)\}/g, ":$1");
}

/** Their handlers read and write what they like; an error is logged, and 500 where nothing was written yet. */
function addInternalRoutes<C>(app: FastifyInstance, options: HttpServerOptions<C>): void {
  const plugin = async (scope: FastifyInstance) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (_request, _payload, done) => done(null));
    for (const mounted of options.internalRoutes ?? []) addInternalRoute(scope, mounted, options);
  };
  // For the name of a plugin that says none, fastify searches every module that is loaded.
  void app.register(Object.assign(plugin, { [Symbol.for("fastify.display-name")]: "internal-routes" }));
}

function addInternalRoute<C>(
  app: FastifyInstance,
  { route, context }: Mounted<InternalRoute<C>, C>,
  options: HttpServerOptions<C>,
): void {
  const { method, path, localMode } = route;
  app.route({
    method,
    url: toPattern(path),
    config: { isForeign: !isOwn({ route, context }, options) },
    handler: async (request, reply) => {
      const own = contextOrThrow({ route, context }, options);
      reply.hijack();
      try {
        const side = { localMode, siloName: options.silo.name };
        await withSiloContext(side, () => route.handle(own, request.raw, reply.raw));
      } catch (error) {
        options.logger.error({ err: error, request_id: request.id, route: path }, "an internal HTTP route failed");
        if (reply.raw.headersSent) reply.raw.destroy();
        else reply.raw.writeHead(500).end();
      }
    },
  });
}

/** @throws 404, logged, for what belongs to the other side. */
function contextOrThrow<C>(
  { route, context }: Mounted<{ readonly path: string; readonly localMode: LocalMode }, C>,
  { silo, logger }: HttpServerOptions<C>,
): C {
  if (context !== undefined && isOwn({ route, context }, { silo })) return context;
  logger.warn({ path: route.path, belongs_to: route.localMode }, "a route of the other side was asked for");
  throw createNotFoundProblem();
}

function isOwn<C>(
  { route, context }: Mounted<{ readonly localMode: LocalMode }, C>,
  { silo }: Pick<HttpServerOptions<C>, "silo">,
): boolean {
  return context !== undefined && isLocalTo(silo, route.localMode);
}

function sendProblem(reply: FastifyReply, requestId: string, problem: ProblemError): void {
  void reply
    .code(problem.status)
    .headers(problem.headers)
    .type(PROBLEM_TYPE)
    .serializer((body: unknown) => JSON.stringify(body))
    .send(problem.toBody(requestId));
}

function isOfFastify(error: Error): error is FastifyError {
  return "code" in error && typeof error.code === "string" && error.code.startsWith("FST_");
}

/** Whoever asked has gone before the request was whole: nobody reads the answer, and nothing of ours has failed. */
const GONE = new ProblemError(400, "REQUEST_ABORTED", "The request ended before it was whole.");

function isClientGone(error: Error, { raw }: FastifyRequest): boolean {
  return !raw.complete && "code" in error && error.code === "ECONNRESET";
}

/** What fastify refuses before any route has it. */
function toRequestProblem(error: FastifyError): ProblemError {
  const status = error.statusCode ?? 500;
  if (status === 413) return new ProblemError(413, "BODY_TOO_LARGE", `A body has at most ${BODY_MAX_BYTES} bytes.`);
  if (status === 415) return new ProblemError(415, "MEDIA_TYPE_UNSUPPORTED", "Send application/json.");
  if (status < 500) return new ProblemError(400, "REQUEST_MALFORMED", "The request cannot be read.");
  return toProblem(error);
}

/** The caller's request id where it is a harmless text, else a new one. */
function readRequestId(request: { headers: FastifyRequest["headers"] }): string {
  const given = request.headers["x-request-id"];
  return typeof given === "string" && /^[A-Za-z0-9._-]{1,64}$/.test(given) ? given : randomUUID();
}

/** Bytes that are no HTTP, or a head that is too large or too late. */
function refuseUnreadable(error: Error & { code?: string }, socket: Duplex): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = error.code === "HPE_HEADER_OVERFLOW" ? 431 : error.code === "ERR_HTTP_REQUEST_TIMEOUT" ? 408 : 400;
  const problem = new ProblemError(status, "REQUEST_MALFORMED", "The request cannot be read.");
  const body = problem.toBody(randomUUID());
  const text = JSON.stringify(body);
  socket.end(
    `HTTP/1.1 ${status} ${body.title}\r\ncontent-type: ${PROBLEM_TYPE}\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`,
  );
}

/** A request whose end is not here in time. */
function refuseLate(socket: Socket): void {
  refuseUnreadable(Object.assign(new Error("too late"), { code: "ERR_HTTP_REQUEST_TIMEOUT" }), socket);
  socket.destroySoon();
}

declare module "fastify" {
  interface FastifyContextConfig {
    /** The route's name in metrics. */
    name?: string;
  }
}
