import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { isLocalTo, type Silo, withSiloContext } from "@cellway/silo";
import type { Logger, Metrics } from "@cellway/telemetry";
import type { RouteDefinition, ServiceContext } from "./module.js";
import type { Readiness } from "./readiness.js";

/** A route with the context of its service; no context when it belongs to the other side. */
export interface MountedRoute {
  readonly route: RouteDefinition;
  readonly context: ServiceContext | undefined;
}

/** Which code a process runs. */
export interface Build {
  /** The release, such as `0.2.0`. */
  readonly version: string;
  /** The digest of the contracts that it serves. */
  readonly contract: string;
}

/** The HTTP listener of a silo: health, metrics, and the routes of its services. */
export interface HttpServer {
  /** `http://127.0.0.1:8000`. */
  readonly address: string;
  close(): Promise<void>;
}

/** Serves `/healthz`, `/readyz`, `/metrics` and `routes` at an http:// origin; port 0 lets the system choose. */
export async function startHttpServer(options: {
  address: string;
  silo: Silo;
  readiness: Readiness;
  /** What runs here, for `/healthz`. */
  build: Build;
  routes: readonly MountedRoute[];
  logger: Logger;
  metrics: Metrics;
}): Promise<HttpServer> {
  const server = createServer((req, res) => {
    handle(req, res).catch((error: unknown) => {
      options.logger.error({ err: error, path: req.url }, "an HTTP route failed");
      if (!res.headersSent) sendJson(res, 500, { error: "internal error" });
      else res.destroy();
    });
  });

  async function handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const path = (req.url ?? "/").split("?", 1)[0] ?? "/";
    if (req.method === "GET" && path === "/healthz")
      return sendJson(res, 200, { status: "alive", silo: options.silo.name, ...options.build });
    if (req.method === "GET" && path === "/readyz") {
      const report = await options.readiness.check();
      return sendJson(res, report.ready ? 200 : 503, { silo: options.silo.name, ...report });
    }
    if (req.method === "GET" && path === "/metrics") {
      res.writeHead(200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
      res.end(await options.metrics.expose());
      return;
    }
    await handleRoute(path, req, res);
  }

  async function handleRoute(path: string, req: IncomingMessage, res: ServerResponse): Promise<void> {
    const mounted = options.routes.find(({ route }) => route.path === path && route.method === req.method);
    if (mounted === undefined) return sendJson(res, 404, { error: "not found" });
    const { route, context } = mounted;
    if (context === undefined || !isLocalTo(options.silo, route.localMode)) {
      options.logger.warn({ path, belongs_to: route.localMode }, "a route of the other side was asked for");
      return sendJson(res, 404, { error: "not found" });
    }
    await withSiloContext({ localMode: route.localMode, siloName: options.silo.name }, () =>
      route.handle(context, req, res),
    );
  }

  const url = new URL(options.address);
  const port = await listen(server, url);
  return {
    address: `http://${url.hostname}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** @returns the port, which the system chooses for port 0. */
function listen(server: Server, url: URL): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port: Number(url.port || 80), host: url.hostname.replace(/^\[|\]$/g, "") }, () => {
      server.off("error", reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

function sendJson(res: ServerResponse, status: number, body: unknown): void {
  res.writeHead(status, { "content-type": "application/json; charset=utf-8" });
  res.end(`${JSON.stringify(body)}\n`);
}
