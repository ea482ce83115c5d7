import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatTopology } from "@cellway/silo";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { planFleet } from "./dev/fleet-plan.js";
import { fleetFilePath, removeFleetFile, writeFleetFile } from "./fleet-file.js";
import { findFleet } from "./fleet-target.js";
import { createTestContext } from "./test-context.js";

const { topology } = planFleet("siloed", 8_000);
const KEY = `k1:${Buffer.alloc(32, 7).toString("base64")}`;
const DESCRIBED = {
  CELLWAY_TOPOLOGY: JSON.stringify(formatTopology(topology)),
  CELLWAY_RPC_KEYS: KEY.replace("k1", "described"),
};

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), "cellway-cli-"));
  writeFileSync(join(cwd, "master.keys"), KEY);
});
afterEach(() => rmSync(cwd, { recursive: true }));

function runFleetOn(name: string, pid: number): string {
  const dir = join(cwd, name);
  mkdirSync(dir);
  const silo = {
    name: "control",
    rpcAddress: topology.controlRpcAddress,
    httpAddress: "http://127.0.0.1:8000",
    databaseUrl: "postgres:///control",
    pid,
  };
  writeFleetFile(dir, { mode: "siloed", topology, keysFile: join(cwd, "master.keys"), silos: [silo], edges: [] });
  return dir;
}

test("the fleet that runs in .cellway is found without a word", () => {
  const dir = runFleetOn(".cellway", process.pid);
  const target = findFleet(undefined, createTestContext({ cwd }));
  expect(target).toMatchObject({ mode: "siloed", source: dir });
  expect(target.masterKeys[0]?.id).toBe("k1");
  expect([...target.topology.cells.keys()]).toEqual(["us1", "us2", "de1"]);
});

test("what it says of itself is for its owner only, and goes when it ends", () => {
  const dir = runFleetOn(".cellway", process.pid);
  expect(statSync(fleetFilePath(dir)).mode & 0o777).toBe(0o600);
  removeFleetFile(dir);
  expect(() => findFleet(undefined, createTestContext({ cwd }))).toThrow("No fleet found");
});

test("without one in .cellway the environment describes it", () => {
  const target = findFleet(undefined, createTestContext({ cwd, env: { ...DESCRIBED, CELLWAY_MODE: "monolith" } }));
  expect(target).toMatchObject({ mode: "monolith", source: "environment" });
  expect(target.masterKeys[0]?.id).toBe("described");
});

test("a folder that is named is the one that is meant, whatever the environment says", () => {
  runFleetOn("mine", process.pid);
  expect(findFleet("mine", createTestContext({ cwd, env: DESCRIBED })).masterKeys[0]?.id).toBe("k1");
  expect(() => findFleet("yours", createTestContext({ cwd, env: DESCRIBED }))).toThrow(
    `No fleet runs on ${join(cwd, "yours")}`,
  );
});

test("what a killed fleet left is no fleet", () => {
  const dir = runFleetOn(".cellway", 2 ** 22 + 1);
  expect(() => findFleet(undefined, createTestContext({ cwd }))).toThrow(
    `No fleet runs on ${dir}: ${fleetFilePath(dir)} was left by one that was killed.`,
  );
  expect(findFleet(undefined, createTestContext({ cwd, env: DESCRIBED })).source).toBe("environment");
});

test.each(["", "{", "[]", "null", '{"mode":"siloed"}'])("a file that holds %j is reported as damaged", (text) => {
  mkdirSync(join(cwd, ".cellway"));
  writeFileSync(join(cwd, ".cellway", "dev.json"), text);
  expect(() => findFleet(undefined, createTestContext({ cwd }))).toThrow("is damaged");
});
