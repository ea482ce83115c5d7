import type { BlockList } from "node:net";
import {
  createEdgeHandlers,
  createHostTable,
  DEFAULT_PROXY_LIMITS,
  type EdgeServerLimits,
  type HostRules,
  type ProxyLimits,
  startAdminServer,
  startEdgeServer,
  Upstreams,
} from "@cellway/http";
import { type StartLocatorOptions, startLocator } from "@cellway/locator";
import { type RouterContext, routeRequest } from "./route-request.js";
import type { StaticRoutes } from "./static-routes.js";

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
  const upstreams = new Upstreams({ ...DEFAULT_PROXY_LIMITS, ...options.limits }, metrics, options.logger);
  const ctx: RouterContext = {
    name,
    routes: running.locator,
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
  const handlers = createEdgeHandlers((req) => routeRequest(ctx, req), options);
  const edge = await startEdgeServer(options.listen, handlers, options.serverLimits);
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
