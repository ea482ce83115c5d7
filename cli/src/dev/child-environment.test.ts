import { expect, test } from "@jest/globals";
import { createChildEnvironment, createEdgeEnvironment } from "./child-environment.js";
import { planFleet } from "./fleet-plan.js";

const FILES = {
  topology: "/data/topology.json",
  keys: "/data/keys/us1.keys",
  databaseUrl: "postgres://cellway@/us1?host=/tmp/x",
  operatorToken: "the-operator-token",
};

function environmentOf(name: string, env: Record<string, string>) {
  const silo = planFleet("siloed", 8_000).silos.find((candidate) => candidate.name === name);
  if (silo === undefined) throw new Error(`the plan has ${name}`);
  return createChildEnvironment(env, silo, FILES);
}

test("a cell is told who it is, where it listens and where its keys are; control is no cell", () => {
  expect(environmentOf("us1", {})).toEqual({
    CELLWAY_CELL: "us1",
    CELLWAY_TOPOLOGY: "/data/topology.json",
    CELLWAY_DATABASE_URL: "postgres://cellway@/us1?host=/tmp/x",
    CELLWAY_RPC_LISTEN: "http://127.0.0.1:8011",
    CELLWAY_HTTP_LISTEN: "http://127.0.0.1:8010",
    CELLWAY_RPC_KEYS_FILE: "/data/keys/us1.keys",
    CELLWAY_LOG_LEVEL: "debug",
    CELLWAY_RPC_TOKENS_ALLOWED: "true",
    CELLWAY_RPC_REFLECTION: "open",
    CELLWAY_HTTP_TRUSTED_PROXIES: "127.0.0.1,::1",
    CELLWAY_SESSION_COOKIE_DOMAIN: "cellway.localhost",
    CELLWAY_EDGE_OPERATOR_TOKEN: "the-operator-token",
  });
  const control = environmentOf("control", { CELLWAY_CELL: "us9" });
  expect(control).not.toHaveProperty("CELLWAY_CELL");
  expect(control).not.toHaveProperty("CELLWAY_HTTP_TRUSTED_PROXIES");
});

test("a router is told its name, ports and localities, and where control and its own files are", () => {
  const plan = planFleet("siloed", 9_000);
  const [edge] = plan.edges;
  if (edge === undefined) throw new Error("the plan has a router");
  const files = { keys: "/data/keys/edge-router.keys", routes: "/data/router.routes", operatorToken: "token" };
  const env = { CELLWAY_EDGE_LISTEN: "http://127.0.0.1:1", CELLWAY_LOG_LEVEL: "warn" };
  expect(createEdgeEnvironment(env, edge, plan, files)).toEqual({
    CELLWAY_LOG_LEVEL: "warn",
    CELLWAY_EDGE_NAME: "router",
    CELLWAY_EDGE_LISTEN: "http://127.0.0.1:9100",
    CELLWAY_HTTP_LISTEN: "http://127.0.0.1:9101",
    CELLWAY_EDGE_LOCALITIES: "us,de",
    CELLWAY_EDGE_HOSTS: "us.cellway.localhost=us,de.cellway.localhost=de",
    CELLWAY_EDGE_LOCALITY_URL: "http://{locality}.localhost:9100",
    CELLWAY_CONTROL_RPC_ADDRESS: "http://127.0.0.1:9001",
    CELLWAY_RPC_KEYS_FILE: "/data/keys/edge-router.keys",
    CELLWAY_EDGE_ROUTES_FILE: "/data/router.routes",
    CELLWAY_EDGE_OPERATOR_TOKEN: "token",
  });
});

test("what the developer sets reaches the silos, except what would contradict the fleet", () => {
  const env = {
    PATH: "/bin",
    CELLWAY_LOG_LEVEL: "warn",
    CELLWAY_RPC_KEYS: "k1:secret",
    CELLWAY_REGION: "us9", // TODO(cells): old name.
    CELLWAY_MONOLITH_REGION: "us9", // TODO(cells): old name.
  };
  const child = environmentOf("us1", env);
  expect(child).toMatchObject({ PATH: "/bin", CELLWAY_LOG_LEVEL: "warn", CELLWAY_CELL: "us1" });
  // TODO(cells): old names.
  for (const name of ["CELLWAY_RPC_KEYS", "CELLWAY_REGION", "CELLWAY_MONOLITH_REGION"])
    expect(child).not.toHaveProperty(name);
});
