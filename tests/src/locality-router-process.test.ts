import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { deriveEdgeKey, formatKeys } from "@cellway/rpc";
import { type Fleet, findFreePorts, startFleet, TEST_MASTER_KEY } from "@cellway/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { until } from "./organizations.js";
import { RouteWriter } from "./route-writer.js";
import { announce, ask } from "./router-stage.js";

const CELLWAY = fileURLToPath(new URL("../../cli/bin/cellway.js", import.meta.url));

let fleet: Fleet;
let writer: RouteWriter;
const children: ChildProcess[] = [];
beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES, network: "sockets" });
  writer = new RouteWriter(fleet.control.databaseUrl);
});
afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  await writer?.close();
  await fleet?.stop();
});

test("a router is a process with a key of its own: it routes to real cells, and at SIGTERM it ends with 0", async () => {
  await announce(fleet, "us1", fleet.cell("us1").httpAddress);
  await writer.insert("acme", "us1");
  const [port, adminPort] = await findFreePorts(2);
  const address = `http://127.0.0.1:${port}`;
  const child = spawn(process.execPath, [CELLWAY, "serve", "--edge", "locality-router"], {
    env: {
      PATH: process.env["PATH"],
      CELLWAY_EDGE_NAME: "us-router",
      CELLWAY_EDGE_LOCALITIES: "us",
      CELLWAY_EDGE_LISTEN: address,
      CELLWAY_HTTP_LISTEN: `http://127.0.0.1:${adminPort}`,
      CELLWAY_EDGE_STATIC_ROUTES: "/healthz/=us1",
      CELLWAY_CONTROL_RPC_ADDRESS: fleet.topology.controlRpcAddress,
      CELLWAY_RPC_KEYS: formatKeys([deriveEdgeKey(TEST_MASTER_KEY, "edge:us-router")]),
    },
    stdio: ["ignore", "ignore", "inherit"],
  });
  children.push(child);
  const exited = once(child, "exit");
  const isReady = async () => (await fetch(`http://127.0.0.1:${adminPort}/readyz`).catch(() => undefined))?.ok === true;
  await until("the router is ready", isReady);
  const host = "us.localhost:8100";
  // It is the cell that asks for a token.
  const answer = await ask({ address }, "/api/0/organizations/acme/", { host });
  expect(answer).toMatchObject({ status: 401, code: "TOKEN_MISSING" });
  expect((await ask({ address }, "/api/0/organizations/nobody/", { host })).code).toBe("ORGANIZATION_NOT_FOUND");
  expect(await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text()).toContain(
    'cellway_edge_requests_total{cell="us1"',
  );
  child.kill("SIGTERM");
  expect(await exited).toEqual([0, null]);
});
