import type { IncomingMessage } from "node:http";
import type { BlockList } from "node:net";
import {
  createUpgradeResponse,
  DEFAULT_PROXY_LIMITS,
  type EdgeServerLimits,
  type Problem,
  type ProxyLimits,
  type ProxyResult,
  proxyRequest,
  proxyUpgrade,
  sendProblem,
  startEdgeServer,
} from "@cellway/http";
import { type StartLocatorOptions, startLocator } from "@cellway/locator";
import { startAdminServer } from "./admin-server.js";
import { type RequestContext, routeRequest } from "./handle-request.js";
import { createHostTable, type HostRules } from "./hosts.js";
import type { StaticRoutes } from "./match-path.js";
import { Upstreams } from "./upstreams.js";

/** What a locality router is made of. */
export interface LocalityRouterOptions
  extends HostRules,
    Pick<StartLocatorOptions, "rpc" | "metrics" | "logger" | "disk" | "pauseMs" | "pauseMaxMs"> {
  /** Of the process: `us-router`. */
  readonly name: string;
  /** Where strangers are served: an http:// origin; port 0 lets the system choose. */
  readonly listen: string;
  /** Where health and metrics are served: never public. */
  readonly adminListen: string;
  /** Paths without an organization. Default: none. */
  readonly staticRoutes?: StaticRoutes;
  /** Proxies before the router whose forwarding headers are believed. Default: none. */
  readonly trustedProxies?: BlockList;
  /** A secret: who sends it in `x-cellway-explain` is told why a request goes where it goes. Default: nobody is. */
  readonly operatorToken?: string;
  readonly limits?: Partial<ProxyLimits>;
  readonly serverLimits?: EdgeServerLimits;
}

/** A router that runs. */
export interface RunningLocalityRouter {
  readonly address: string;
  readonly adminAddress: string;
  /** Resolves when all routes are known, from the copy on disk or from control. */
  readonly whenComplete: Promise<void>;
  /** Takes no more requests, lets those in flight finish for at most `graceMs`. Default 10,000. */
  stop(options?: { graceMs?: number }): Promise<void>;
}

/** Starts a router: it serves at once, and answers 503 for what it does not know while control does not answer. */
export async function startLocalityRouter(options: LocalityRouterOptions): Promise<RunningLocalityRouter> {
  const { name, metrics } = options;
  const running = await startLocator(options);
  const upstreams = new Upstreams({ ...DEFAULT_PROXY_LIMITS, ...options.limits }, metrics);
  const ctx: RequestContext = {
    name,
    locator: running.locator,
    hosts: createHostTable(options),
    staticRoutes: options.staticRoutes ?? new Map(),
    upstreams,
    trustedProxies: options.trustedProxies,
    operatorToken: options.operatorToken,
    now: Date.now,
  };
  let isStopping = false;
  const admin = await startAdminServer({
    address: options.adminListen,
    name,
    running,
    metrics,
    isStopping: () => isStopping,
    now: Date.now,
  });
  const edge = await startEdgeServer(options.listen, createHandlers(ctx, options), options.serverLimits);
  return {
    address: edge.address,
    adminAddress: admin.address,
    whenComplete: running.following.whenComplete,
    async stop(stopOptions) {
      isStopping = true;
      await edge.close(stopOptions);
      await Promise.all([running.stop(), upstreams.close(), admin.close()]);
    },
  };
}

function createHandlers(ctx: RequestContext, { metrics, logger }: LocalityRouterOptions) {
  const serve = async (
    req: IncomingMessage,
    refuse: (problem: Problem) => void,
    send: (routed: Exclude<Awaited<ReturnType<typeof routeRequest>>, Problem>) => Promise<ProxyResult>,
  ) => {
    const startedAt = performance.now();
    const routed = await routeRequest(ctx, req);
    if ("status" in routed) {
      refuse(routed);
      metrics.count("cellway_edge_requests_total", { cell: "none", status: String(routed.status) });
      metrics.count("cellway_edge_problems_total", { code: routed.code });
      return;
    }
    const { status, code, upstream, repeats, requestId } = await send(routed);
    const cell = upstream.name;
    metrics.count("cellway_edge_requests_total", { cell, status: String(status) });
    metrics.observe("cellway_edge_duration_seconds", { cell }, (performance.now() - startedAt) / 1_000);
    if (repeats > 0) metrics.count("cellway_edge_repeats_total", { cell });
    if (code === undefined) return;
    metrics.count("cellway_edge_problems_total", { code });
    logger.warn({ cell, code, status, request_id: requestId }, "a request was not answered by its cell");
  };
  const report = (error: unknown) => logger.error({ err: error }, "a request failed on a bug");
  return {
    onRequest: (req: IncomingMessage, res: Parameters<typeof sendProblem>[0]) => {
      serve(
        req,
        (problem) => sendProblem(res, { ...problem, headers: { ...problem.headers, ...(req.complete ? {} : CLOSE) } }),
        (routed) => proxyRequest(req, res, routed),
      ).catch((error: unknown) => {
        report(error);
        res.destroy();
      });
    },
    onUpgrade: (upgrade: Parameters<typeof proxyUpgrade>[0]) => {
      serve(
        upgrade.req,
        (problem) => sendProblem(createUpgradeResponse(upgrade), problem),
        (routed) => proxyUpgrade(upgrade, routed),
      ).catch((error: unknown) => {
        report(error);
        upgrade.socket.destroy();
      });
    },
  };
}

const CLOSE = { connection: "close" };
