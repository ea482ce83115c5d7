import type { BlockList } from "node:net";
import type { ServiceContext } from "@cellway/host";
import {
  type ClientRequest,
  createEdgeHandlers,
  createEdgeProblem,
  createSending,
  DEFAULT_PROXY_LIMITS,
  type EdgeContext,
  type EdgeHandlers,
  type HttpGateway,
  isAmbiguousRequest,
  type Problem,
  type ProxyLimits,
  type ProxyOptions,
  reportRoutes,
  Upstreams,
} from "@cellway/http";
import { PREFLIGHT_HEADERS, parseIngestPath } from "@cellway/ingest-protocol";
import type { Locator } from "@cellway/locator";
import { boundQuestions } from "./bounded-finder.js";
import { claimRequest } from "./claim.js";
import { InFlight } from "./in-flight.js";
import { createPinnedFinder, type PinnedRoute } from "./pinned-routes.js";

/** What a gateway is told. */
export interface GatewayOptions {
  /** Control's own routes, in memory. */
  readonly locatorOf: (context: ServiceContext) => Locator;
  /** Paths without an organization, to the cell that still serves them. Default: none. */
  readonly pinnedRoutes?: readonly PinnedRoute[];
  /** Proxies before control whose forwarding headers are believed. Default: none. */
  readonly trustedProxies?: BlockList;
  /** A secret: who sends it in `x-cellway-explain` is told why a request goes where it goes. Default: nobody is. */
  readonly operatorToken?: string;
  readonly limits?: Partial<ProxyLimits>;
}

/** Creates the gateway of a silo. */
export function createGateway(context: ServiceContext, options: GatewayOptions): HttpGateway {
  const { metrics, now, silo } = context;
  const { pinnedRoutes = [] } = options;
  const upstreams = new Upstreams({ ...DEFAULT_PROXY_LIMITS, ...options.limits }, metrics, context.logger);
  const locator = options.locatorOf(context);
  const ctx: EdgeContext = {
    name: silo.name,
    routes: boundQuestions(locator),
    upstreams,
    trustedProxies: options.trustedProxies,
    operatorToken: options.operatorToken,
    now,
  };
  const findPinned = createPinnedFinder(pinnedRoutes);
  // What nobody asks for must be seen to be nothing, so that it can go.
  for (const { pattern } of pinnedRoutes) metrics.count("cellway_gateway_pinned_requests_total", { pattern }, 0);
  const claim = (req: ClientRequest) => claimRequest(req, findPinned);
  const route = async (req: ClientRequest): Promise<ProxyOptions | Problem> => {
    const claimed = claim(req);
    if (isAmbiguousRequest(req)) return createEdgeProblem("HOST_AMBIGUOUS", "A request names one host.");
    if (claimed === undefined) throw new Error("The gateway was given a request that it does not take.");
    const { rule, decided, ctx: own } = await claimed.decide(ctx);
    metrics.count("cellway_gateway_requests_total", { rule });
    if (claimed.pinned !== undefined)
      metrics.count("cellway_gateway_pinned_requests_total", { pattern: claimed.pinned.pattern });
    return "status" in decided ? decided : createSending(own, req, decided);
  };
  const handlers = createEdgeHandlers(route, { ...context, operatorToken: options.operatorToken });
  const inFlight = new InFlight(answerPreflights(handlers));
  return {
    takes: (req) => claim(req) !== undefined,
    handlers: inFlight.handlers,
    report: () => ({ ...reportRoutes(locator.memory, now()) }),
    drain: ({ graceMs }) => inFlight.drain(graceMs),
    close: async () => upstreams.close(),
  };
}

/** A preflight of what SDKs send carries no key: it is answered here, for all cells alike. */
function answerPreflights({ onRequest, onUpgrade }: EdgeHandlers): EdgeHandlers {
  return {
    onUpgrade,
    onRequest(req, res) {
      if (req.method === "OPTIONS" && parseIngestPath(req.url ?? "") !== undefined)
        res.writeHead(204, PREFLIGHT_HEADERS).end();
      else onRequest(req, res);
    },
  };
}
