import {
  createEdgeHandlers,
  createHostTable,
  type RouterOptions,
  type RunningRouter,
  startRouter,
} from "@cellway/http";
import { type RouterContext, routeRequest } from "./route-request.js";
import type { StaticRoutes } from "./static-routes.js";

/** What a locality router is made of. */
export interface LocalityRouterOptions extends RouterOptions {
  /** Paths without an organization. Default: none. */
  readonly staticRoutes?: StaticRoutes;
}

/** Starts a router: it serves at once, and answers 503 for what it does not know while control does not answer. */
export function startLocalityRouter(options: LocalityRouterOptions): Promise<RunningRouter> {
  return startRouter(options, (edge) => {
    const { staticRoutes = new Map() } = options;
    const ctx: RouterContext = { ...edge, hosts: createHostTable(options), staticRoutes };
    return createEdgeHandlers((req) => routeRequest(ctx, req), options);
  });
}
