import { AuditLogService } from "@cellway/gen/cellway/audit/v1/audit_log";
import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { RouteFeedService } from "@cellway/gen/cellway/directory/v1/route_feed";
import { IntegrationService } from "@cellway/gen/cellway/integration/v1/integration";
import { SessionService } from "@cellway/gen/cellway/user/v1/session";
import { UserService } from "@cellway/gen/cellway/user/v1/user";
import { createCellKeyRing, createRpcRuntime, deriveCellKey, deriveEdgeKey, methodPolicyOf } from "@cellway/rpc";
import { createEdgeIdentity } from "@cellway/silo";
import { createLogger, createMetrics } from "@cellway/telemetry";
import { type Fleet, startFleet, TEST_MASTER_KEY } from "@cellway/testing";
import { type Client, Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { createEdge } from "./route-feed.js";
import { failureOf } from "./scenario.js";

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES });
});
afterAll(() => fleet?.stop());

const SERVICES = [DirectoryService, RouteFeedService, UserService, SessionService, IntegrationService, AuditLogService];

test("an edge may ask where organizations and cells are, and nothing else: of no user, no token, no change", () => {
  const allowed = SERVICES.flatMap((service) => service.methods)
    .map((method) => methodPolicyOf(method))
    .filter((policy) => policy.allowedCallers.has("EDGE"))
    .map(({ name }) => name);
  expect(allowed.toSorted()).toEqual([
    "directory.GetOrganizationMapping",
    "directory.ListCells",
    "route_feed.WatchRoutes",
  ]);
});

test("what it may it does; every other method of control refuses it", async () => {
  const edge = createEdge(fleet);
  expect((await edge.client(DirectoryService).listCells({})).cells.map(({ name }) => name)).toContain("us1");
  for (const service of SERVICES) {
    const client = edge.client(service) as Client<typeof DirectoryService>;
    for (const method of service.methods) {
      const isAllowed = methodPolicyOf(method).allowedCallers.has("EDGE");
      if (isAllowed || method.methodKind !== "unary") continue;
      const call = client[method.localName as "listCells"]({});
      expect([method.name, await failureOf(call)]).toEqual([
        method.name,
        { code: Code.PermissionDenied, reason: "CALLER_NOT_ALLOWED" },
      ]);
    }
  }
});

test("its key is good for its own name alone: not for another edge's, nor for a cell's", async () => {
  const { memory } = fleet;
  if (memory === undefined) throw new Error("the fleet's network is in memory");
  const others = [
    ["edge:de-router", deriveEdgeKey(TEST_MASTER_KEY, "edge:us-router")],
    ["edge:us1", deriveCellKey(TEST_MASTER_KEY, "us1")],
  ] as const;
  for (const [name, key] of others) {
    const silo = createEdgeIdentity(name.slice("edge:".length));
    const runtime = createRpcRuntime({
      silo,
      network: memory,
      keys: createCellKeyRing(silo.name, [key]),
      logger: createLogger({ silo: silo.name, level: "silent" }),
      metrics: createMetrics({ silo: silo.name }),
      controlAddress: fleet.topology.controlRpcAddress,
    });
    expect(await failureOf(runtime.client(DirectoryService).listCells({}))).toEqual({
      code: Code.Unauthenticated,
      reason: "SIGNATURE_INVALID",
    });
  }
});
