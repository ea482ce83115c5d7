import type { BlockList } from "node:net";
import {
  createEdgeHandlers,
  DEFAULT_PROXY_LIMITS,
  type EdgeHandlers,
  type EdgeServerLimits,
  INGEST_LISTENER,
  type ProxyLimits,
  startAdminServer,
  startEdgeServer,
  Upstreams,
} from "@cellway/http";
import {
  CORS_HEADERS,
  PREFLIGHT_HEADERS,
  parseIngestPath,
  type RelayCredentials,
  type RelayKeys,
} from "@cellway/ingest-protocol";
import { type StartLocatorOptions, startLocator } from "@cellway/locator";
import {
  DEFAULT_PROJECT_CONFIG_LIMITS,
  type ProjectConfigContext,
  type ProjectConfigLimits,
} from "./project-configs/context.js";
import { routeEnvelope } from "./route-envelope.js";
import { createScopes, type ScopeRules } from "./scope.js";
import { serveRelay } from "./serve-relay.js";

/** What an ingest router is made of. */
export interface IngestRouterOptions
  extends ScopeRules,
    Pick<StartLocatorOptions, "rpc" | "metrics" | "logger" | "disk" | "pauseMs" | "pauseMaxMs"> {
  /** Of the process: `us-ingest`. */
  readonly name: string;
  /** Where strangers are served: an http:// origin; port 0 lets the system choose. */
  readonly listen: string;
  /** Where health and metrics are served: never public. */
  readonly adminListen: string;
  /** Proxies before the router whose forwarding headers are believed. Default: none. */
  readonly trustedProxies?: BlockList;
  /** A secret: who sends it in `x-cellway-explain` is told why a request goes where it goes. Default: nobody is. */
  readonly operatorToken?: string;
  /** Relays that may ask for project configurations. Default: nobody may. */
  readonly relays?: RelayKeys;
  /** As whom the router asks cells, which must trust it. Without it every key that is asked for is pending. */
  readonly credentials?: RelayCredentials;
  readonly limits?: Partial<ProxyLimits>;
  readonly serverLimits?: EdgeServerLimits;
  readonly configLimits?: Partial<ProjectConfigLimits>;
}

/** A router that runs. */
export interface RunningIngestRouter {
  readonly address: string;
  readonly adminAddress: string;
  /** Resolves when all routes are known, from the copy on disk or from control. */
  readonly whenComplete: Promise<void>;
  /** Takes no more requests, lets those in flight finish for at most `graceMs`. Default 10,000. */
  stop(options?: { graceMs?: number }): Promise<void>;
}

/** Starts a router: it serves at once, and answers 503 for keys that it does not know while control does not answer. */
export async function startIngestRouter(options: IngestRouterOptions): Promise<RunningIngestRouter> {
  const { name, metrics, logger } = options;
  const running = await startLocator(options);
  const upstreams = new Upstreams({ ...DEFAULT_PROXY_LIMITS, ...options.limits }, metrics, logger);
  const ctx: ProjectConfigContext = {
    name,
    routes: running.locator,
    locator: running.locator,
    listener: INGEST_LISTENER,
    scopes: createScopes(options),
    upstreams,
    trustedProxies: options.trustedProxies,
    operatorToken: options.operatorToken,
    relays: options.relays ?? new Map(),
    credentials: options.credentials,
    configLimits: { ...DEFAULT_PROJECT_CONFIG_LIMITS, ...options.configLimits },
    metrics,
    logger,
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
  const edge = await startEdgeServer(options.listen, createHandlers(ctx), options.serverLimits);
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

function createHandlers(ctx: ProjectConfigContext): EdgeHandlers {
  const envelopes = createEdgeHandlers((req) => routeEnvelope(ctx, req), ctx);
  return {
    onUpgrade: envelopes.onUpgrade,
    onRequest(req, res) {
      const target = req.url ?? "/";
      if (serveRelay(ctx, req, res)) return;
      // Also of problems a browser shows nothing without them; a cell's own replace them.
      for (const [name, value] of Object.entries(CORS_HEADERS)) res.setHeader(name, value);
      // A preflight has no key: no cell could be found for it.
      if (req.method === "OPTIONS" && parseIngestPath(target) !== undefined) {
        res.writeHead(204, PREFLIGHT_HEADERS).end();
        return;
      }
      envelopes.onRequest(req, res);
    },
  };
}
