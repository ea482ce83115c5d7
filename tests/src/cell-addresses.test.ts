import { CellState, DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { type Fleet, startFleet } from "@cellway/testing";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { until } from "./organizations.js";
import { startEdgeLocator } from "./route-feed.js";

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES });
});
afterAll(() => fleet?.stop());

const directory = () => fleet.client(DirectoryService);

describe.each([
  ["serves HTTP", "httpAddress", "http_address", 8],
  ["takes events", "ingestAddress", "ingest_address", 9],
] as const)("where a cell %s", (_what, property, field, number) => {
  const update = (name: string, address: string) =>
    directory().updateCell({ name, [property]: address, updateMask: { paths: [field] } });

  test("reaches whoever follows the routes: in the snapshot, when it changes and when it goes", async () => {
    await update("us1", "http://us1.public.test:8000");
    const running = await startEdgeLocator(fleet);
    const addressOf = (name: string) => running.locator.memory.findCell(name)?.[property];
    expect([addressOf("us1"), addressOf("us2")]).toEqual(["http://us1.public.test:8000", ""]);
    await update("us2", "http://us2.public.test:8000");
    await until("the address is here", () => addressOf("us2") === "http://us2.public.test:8000");
    await update("us2", "");
    await until("the address is gone", () => addressOf("us2") === "");
    await running.stop();
  });

  test("may be said when it is added, and lists show it", async () => {
    const cell = {
      name: `us${number}`,
      number,
      locality: "us",
      rpcAddress: "http://new.test:1",
      [property]: "http://new.test:2",
    };
    expect((await directory().addCell({ ...cell, state: CellState.DRAINING })).cell).toMatchObject(cell);
    expect((await directory().listCells({})).cells.find(({ name }) => name === cell.name)).toMatchObject(cell);
    await directory().removeCell({ name: cell.name });
  });

  test.each(["us1", "http://us1.test:1/path", "HTTP://us1.test:1", "http://control.test:1"])(
    "is refused as %s, and its field named",
    async (address) => {
      const failure = await update("us1", address).catch((error: unknown) => ConnectError.from(error));
      expect(failure).toMatchObject({ code: Code.InvalidArgument, rawMessage: expect.stringContaining(field) });
    },
  );

  test("is not taken away by a process of control whose topology file does not say it", async () => {
    await update("de1", "http://de1.public.test:8000");
    await fleet.restart("control");
    const { cells } = await directory().listCells({});
    expect(cells.find(({ name }) => name === "de1")?.[property]).toBe("http://de1.public.test:8000");
  });
});
