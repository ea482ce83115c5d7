import {
  RouteFeedService,
  type RouteKeyKind,
  type WatchRoutesResponse,
} from "@cellway/gen/cellway/directory/v1/route_feed";
import { type RunningLocator, type StartLocatorOptions, startLocator } from "@cellway/locator";
import { createCellKeyRing, createRpcRuntime, deriveEdgeKey, type Network, type RpcRuntime } from "@cellway/rpc";
import { createEdgeIdentity } from "@cellway/silo";
import { createLogger, createMetrics } from "@cellway/telemetry";
import { type Fleet, TEST_MASTER_KEY } from "@cellway/testing";
import { expect } from "@jest/globals";
import { until } from "./organizations.js";

/** A process at the edge of a fleet, with a key of its own: it calls control and serves nothing. */
export function createEdge(fleet: Fleet, network: Network | undefined = fleet.memory): RpcRuntime {
  if (network === undefined) throw new Error("needs the in-memory network");
  const silo = createEdgeIdentity("us-router");
  return createRpcRuntime({
    silo,
    network,
    keys: createCellKeyRing(silo.name, [deriveEdgeKey(TEST_MASTER_KEY, silo.name)]),
    logger: createLogger({ silo: "edge", level: "silent" }),
    metrics: createMetrics({ silo: "edge" }),
    controlAddress: fleet.topology.controlRpcAddress,
    limits: { circuitMinCallsPerSecond: 1_000_000 },
  });
}

/** A locator at the edge that knows everything. */
export async function startEdgeLocator(
  fleet: Fleet,
  options: Partial<StartLocatorOptions> = {},
): Promise<RunningLocator> {
  const running = await startLocator({
    rpc: options.rpc ?? createEdge(fleet),
    metrics: createMetrics({ silo: "edge" }),
    logger: createLogger({ silo: "edge", level: "silent" }),
    pauseMs: 5,
    pauseMaxMs: 50,
    ...options,
  });
  await running.following.whenComplete;
  return running;
}

/**
 * The routes that a locator holds, ordered: `slug@cell` for organizations, `old>slug@cell` for their aliases and
 * `#key>slug@cell` for project keys; `?` stands for an organization that it does not hold.
 */
export function routesOf({ locator: { memory } }: RunningLocator): string[] {
  const routes: string[] = [];
  const { table } = memory;
  table.visit((place) => {
    const text = table.textAt(place);
    const kind = table.kindAt(place);
    const home = table.findId(table.idAt(place));
    const route = home === 0 ? "?" : `${table.textAt(home)}@${memory.cellNameAt(home)}`;
    if (kind !== "organization") routes.push(`${kind === "projectKey" ? "#" : ""}${text}>${route}`);
    else if (table.findSlug(text) === place) routes.push(route);
  });
  return routes.toSorted();
}

/** Reads the feed until a message is the one that is waited for; gives all messages, that one included. */
export async function watchUntil(
  rpc: RpcRuntime,
  request: { cursor?: string; localities?: string[]; keys?: RouteKeyKind[] },
  isLast: (message: WatchRoutesResponse) => boolean,
): Promise<WatchRoutesResponse[]> {
  const messages: WatchRoutesResponse[] = [];
  for await (const message of rpc.client(RouteFeedService).watchRoutes(request)) {
    messages.push(message);
    if (isLast(message)) return messages;
  }
  throw new Error("the feed ended before");
}

export const isHeartbeat = ({ event }: WatchRoutesResponse) => event.case === "heartbeat";

/** What messages say of organizations, as `id@cell` and `id-` for deletes. */
export function statementsOf(messages: readonly WatchRoutesResponse[]): string[] {
  return messages.flatMap(({ event }) =>
    event.case !== "routes"
      ? []
      : event.value.routes.map(({ key, cellName, isDeleted }) => {
          const id = key.case === "organization" ? key.value.organizationId : "?";
          return isDeleted ? `${id}-` : `${id}@${cellName}`;
        }),
  );
}

/** A second is promised. Where several suites share two processors, three are allowed. */
const ARRIVAL_MAX_MS = 3 * 1_000;

/** Resolves once the locator holds these routes and no others; fails when that takes longer than is promised. */
export async function holds(running: RunningLocator, expected: readonly string[]): Promise<void> {
  const giveUpAt = performance.now() + ARRIVAL_MAX_MS;
  const wanted = JSON.stringify(expected.toSorted());
  await until("the locator holds the routes", () => {
    return JSON.stringify(routesOf(running)) === wanted || performance.now() > giveUpAt;
  });
  expect(routesOf(running)).toEqual(expected.toSorted());
}
