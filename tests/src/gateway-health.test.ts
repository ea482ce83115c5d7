import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { type GatewayStage, pathOf, startGatewayStage } from "./gateway-stage.js";
import { until } from "./organizations.js";
import { announce, startFaultProxy } from "./router-stage.js";

let stage: GatewayStage;
let us1: Awaited<ReturnType<typeof startFaultProxy>>;

beforeAll(async () => {
  stage = await startGatewayStage({ healthCheckMs: 20 });
  await stage.reset();
  us1 = await startFaultProxy(stage.cell("us1").address);
  await announce(stage.fleet, "us1", us1.address);
});
afterAll(async () => {
  await us1?.stop();
  await stage?.stopCells();
  await stage?.stop();
});

const isWell = async () => (await valueOf("cellway_edge_health")) === 1;
const valueOf = (name: "cellway_edge_health" | "cellway_edge_circuit_state") =>
  stage.fleet.control.metrics.value(name, { cell: "us1" });

test("a cell that dies is left alone by control's gateway before a request meets it, and asked again before one finds out", async () => {
  await until("the gateway sends to the cell's new address", () => stage.isAt(us1.address));
  expect((await stage.ask(pathOf("globex"))).text).toBe("us2");
  await until("the cell was checked", isWell);
  const before = stage.cell("us1").asked.length;
  us1.fault = "reset";
  await until("the cell is left alone", async () => (await valueOf("cellway_edge_circuit_state")) === 2);
  expect(await stage.ask(pathOf("acme"))).toMatchObject({ status: 503, code: "UPSTREAM_CIRCUIT_OPEN" });
  expect((await stage.ask(pathOf("globex"))).text).toBe("us2");
  expect([stage.cell("us1").asked.length - before, await isWell()]).toEqual([0, false]);
  us1.fault = "none";
  await until("the cell is used again", async () => (await valueOf("cellway_edge_circuit_state")) === 0);
  expect([(await stage.ask(pathOf("acme"))).text, await isWell()]).toEqual(["us1", true]);
});
