import type { BlockList } from "node:net";
import { type Locator, type StartLocatorOptions, startLocator } from "@cellway/locator";
import { type EdgeHandlers, type EdgeServerLimits, startEdgeServer } from "../proxy/edge-server.js";
import { DEFAULT_PROXY_LIMITS, type ProxyLimits } from "../proxy/limits.js";
import { startAdminServer } from "./admin-server.js";
import type { HostRules } from "./hosts.js";
import type { EdgeContext } from "./send.js";
import { Upstreams } from "./upstreams.js";

/** What every router is made of. */
export interface RouterOptions
  extends HostRules,
    Pick<StartLocatorOptions, "rpc" | "metrics" | "logger" | "disk" | "pauseMs" | "pauseMaxMs"> {
  /** Of the process: `us-router`. */
  readonly name: string;
  /** Where strangers are served: an http:// origin; port 0 lets the system choose. */
  readonly listen: string;
  /** Where health and metrics are served: never public. */
  readonly adminListen: string;
  /** Proxies before the router whose forwarding headers are believed. Default: none. */
  readonly trustedProxies?: BlockList;
  /** A secret: who sends it in `x-cellway-explain` is told why a request goes where it goes. Default: nobody is. */
  readonly operatorToken?: string;
  readonly limits?: Partial<ProxyLimits>;
  readonly serverLimits?: EdgeServerLimits;
}

/** A router that runs. */
export interface RunningRouter {
  readonly address: string;
  readonly adminAddress: string;
  /** Resolves when all routes are known, from the copy on disk or from control. */
  readonly whenComplete: Promise<void>;
  /** Takes no more requests, lets those in flight finish for at most `graceMs`. Default 10,000. */
  stop(options?: { graceMs?: number }): Promise<void>;
}

/** Starts a router, which serves at once, also before it knows all routes. */
export async function startRouter(
  options: RouterOptions,
  createHandlers: (ctx: EdgeContext, locator: Locator) => EdgeHandlers,
): Promise<RunningRouter> {
  const { name, metrics, logger } = options;
  const running = await startLocator(options);
  const upstreams = new Upstreams({ ...DEFAULT_PROXY_LIMITS, ...options.limits }, metrics, logger);
  const ctx: EdgeContext = {
    name,
    routes: running.locator,
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
  const edge = await startEdgeServer(options.listen, createHandlers(ctx, running.locator), options.serverLimits);
  return {
    address: edge.address,
    adminAddress: admin.address,
    whenComplete: running.following.whenComplete,
    async stop(stopOptions) {
      isStopping = true;
      await edge.close(stopOptions);
      upstreams.close();
      await Promise.all([running.stop(), admin.close()]);
    },
  };
}
