import { CellState, DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { type Fleet, startFleet } from "@cellway/testing";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { until } from "./organizations.js";
import { startEdgeLocator } from "./route-feed.js";

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES });
});
afterAll(() => fleet?.stop());

const directory = () => fleet.client(DirectoryService);
const updateHttpAddress = (name: string, httpAddress: string) =>
  directory().updateCell({ name, httpAddress, updateMask: { paths: ["http_address"] } });

test("where a cell serves HTTP reaches whoever follows the routes: in the snapshot, when it changes and when it goes", async () => {
  await updateHttpAddress("us1", "http://us1.public.test:8000");
  const running = await startEdgeLocator(fleet);
  const addressOf = (name: string) => running.locator.memory.findCell(name)?.httpAddress;
  expect([addressOf("us1"), addressOf("us2")]).toEqual(["http://us1.public.test:8000", ""]);
  await updateHttpAddress("us2", "http://us2.public.test:8000");
  await until("the address is here", () => addressOf("us2") === "http://us2.public.test:8000");
  await updateHttpAddress("us2", "");
  await until("the address is gone", () => addressOf("us2") === "");
  await running.stop();
});

test("a cell may be added with it, and lists show it", async () => {
  const cell = {
    name: "us9",
    number: 9,
    locality: "us",
    rpcAddress: "http://us9.test:1",
    httpAddress: "http://us9.test:2",
  };
  expect((await directory().addCell({ ...cell, state: CellState.DRAINING })).cell).toMatchObject(cell);
  expect((await directory().listCells({})).cells.find(({ name }) => name === "us9")).toMatchObject(cell);
  await directory().removeCell({ name: "us9" });
});

test.each(["us1", "http://us1.test:1/path", "HTTP://us1.test:1", "http://control.test:1"])(
  "the address %s is refused, and its field named",
  async (httpAddress) => {
    const failure = await updateHttpAddress("us1", httpAddress).catch((error: unknown) => ConnectError.from(error));
    expect(failure).toMatchObject({ code: Code.InvalidArgument, rawMessage: expect.stringContaining("http_address") });
  },
);

test("a process of control whose topology file does not say it takes nothing away", async () => {
  await updateHttpAddress("de1", "http://de1.public.test:8000");
  await fleet.restart("control");
  const { cells } = await directory().listCells({});
  expect(cells.find(({ name }) => name === "de1")?.httpAddress).toBe("http://de1.public.test:8000");
});
