import type { ServiceModule } from "@cellway/host";
import { createGateway, type GatewayOptions } from "./gateway.js";

export type { GatewayOptions } from "./gateway.js";
export { type PinnedRoute, parsePinnedRoute } from "./pinned-routes.js";

/** The API gateway: HTTP requests that arrive at control and belong to a cell are sent on to it. */
export function createGatewayModule(options: GatewayOptions): ServiceModule {
  return {
    name: "gateway",
    localMode: "CONTROL",
    entities: [],
    contracts: () => [],
    tasks: [],
    routes: [],
    createGateway: (context) => createGateway(context, options),
  };
}
