import { expect, test } from "@jest/globals";
import { createChildEnvironment } from "./child-environment.js";
import { planFleet } from "./fleet-plan.js";

const FILES = {
  topology: "/data/topology.json",
  keys: "/data/keys/us1.keys",
  databaseUrl: "postgres://cellway@/us1?host=/tmp/x",
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
  });
  expect(environmentOf("control", { CELLWAY_CELL: "us9" })).not.toHaveProperty("CELLWAY_CELL");
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
