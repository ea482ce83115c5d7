import { type AddressInfo, createServer, type Server } from "node:net";
import { afterEach, expect, test } from "@jest/globals";
import { type FleetPlan, planFleet } from "./fleet-plan.js";
import { assertPortsFree, findTakenPorts } from "./ports.js";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

function occupy(port = 0): Promise<number> {
  const server = createServer();
  servers.push(server);
  return new Promise((resolve) =>
    server.listen(port, "127.0.0.1", () => resolve((server.address() as AddressInfo).port)),
  );
}

function planOn(rpcPort: number, httpPort: number): FleetPlan {
  const [silo] = planFleet("monolith", 8_000).silos;
  if (silo === undefined) throw new Error("a plan has silos");
  return {
    ...planFleet("monolith", 8_000),
    silos: [{ ...silo, rpcAddress: `http://127.0.0.1:${rpcPort}`, httpAddress: `http://127.0.0.1:${httpPort}` }],
  };
}

async function freePort(): Promise<number> {
  const port = await occupy();
  const server = servers.pop();
  await new Promise((resolve) => server?.close(resolve));
  return port;
}

test("a taken port is named with what needs it, and the option that moves the fleet", async () => {
  const [taken, free, other] = [await occupy(), await freePort(), await freePort()];
  const check = assertPortsFree(planOn(taken, free), {
    portBase: 8_000,
    waitMs: 0,
    suggest: () => planOn(free, other),
  });
  await expect(check).rejects.toThrow(
    `Port ${taken} (RPC of monolith) is taken; stop what uses it, or move the fleet with --port-base 8100.`,
  );
});

test("no port is held after the check", async () => {
  const [first, second] = [await freePort(), await freePort()];
  await assertPortsFree(planOn(first, second), { portBase: 8_000, waitMs: 0, suggest: () => planOn(first, second) });
  expect(await occupy(first)).toBe(first);
});

test("ports that a killed fleet still holds are waited for", async () => {
  const [taken, free] = [await occupy(), await freePort()];
  setTimeout(() => servers.shift()?.close(), 150);
  await assertPortsFree(planOn(taken, free), { portBase: 8_000, waitMs: 5_000, suggest: () => planOn(free, free) });
  expect(await findTakenPorts(planOn(taken, free))).toEqual([]);
});

test("control and the cells are ten ports apart, RPC one above HTTP; routers come a hundred later", () => {
  const plan = planFleet("siloed", 9_000);
  expect(plan.silos.map((silo) => [silo.name, silo.httpAddress, silo.rpcAddress])).toEqual([
    ["control", "http://127.0.0.1:9000", "http://127.0.0.1:9001"],
    ["us1", "http://127.0.0.1:9010", "http://127.0.0.1:9011"],
    ["us2", "http://127.0.0.1:9020", "http://127.0.0.1:9021"],
    ["de1", "http://127.0.0.1:9030", "http://127.0.0.1:9031"],
  ]);
  expect(plan.edges.map((edge) => [edge.name, edge.address, edge.httpAddress])).toEqual([
    ["router", "http://127.0.0.1:9100", "http://127.0.0.1:9101"],
    ["ingest", "http://127.0.0.1:9102", "http://127.0.0.1:9103"],
  ]);
  expect(plan.topology.localities.get("us")?.newOrganizationCell).toBe("us1");
  expect(planFleet("monolith", 9_000).silos.map((silo) => silo.rpcAddress)).toEqual(["http://127.0.0.1:9001"]);
});
