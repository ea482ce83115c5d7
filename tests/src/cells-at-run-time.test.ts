import { CellState, DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { createCellKeyRing, deriveCellKey, errorMetadataOf } from "@cellway/rpc";
import { createCellSilo, formatTopology, parseTopology, type Topology } from "@cellway/silo";
import { createTestDatabase, type Fleet, startFleet } from "@cellway/testing";
import { Code } from "@connectrpc/connect";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { startLoneSilo } from "./lone-silo.js";
import { MODULES } from "./modules.js";
import { createUser, until } from "./organizations.js";
import { failureOf } from "./scenario.js";

let fleet: Fleet;
let counter = 0;
const cleanups: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES });
});
afterAll(() => fleet?.stop());
beforeEach(() => {
  counter += 1;
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const directory = () => fleet.client(DirectoryService);

/** A cell that nobody has, of a locality of its own. */
async function newCell(): Promise<{ name: string; number: number; locality: string; rpcAddress: string }> {
  const locality = `zone${counter}`;
  await directory().addLocality({ name: locality });
  return { name: `cell${counter}`, number: 100 + counter, locality, rpcAddress: `http://cell${counter}.test:1` };
}

type NewCell = Awaited<ReturnType<typeof newCell>>;

/** What the new cell's own topology file says: of the others it needs only control. */
function topologyOf(cell: NewCell): Topology {
  const { control } = formatTopology(fleet.topology) as { control: unknown };
  const { name, number, locality, rpcAddress } = cell;
  const cells = [{ name, number, rpc_address: rpcAddress }];
  return parseTopology({ control, cells, localities: [{ name: locality, cells: [name] }] }, "the cell's topology");
}

/** Starts a cell with nothing but its own key, on the fleet's network. */
async function startCell(cell: NewCell) {
  const silo = createCellSilo(cell.name);
  const database = await createTestDatabase(silo, MODULES);
  cleanups.push(() => database.drop());
  const running = await startLoneSilo(silo, database.url, {
    topology: topologyOf(cell),
    keys: createCellKeyRing(cell.name, [deriveCellKey(fleet.masterKey, cell.name)]),
    ...(fleet.memory === undefined ? {} : { network: fleet.memory }),
  });
  cleanups.push(() => running.stop({ graceMs: 0 }));
  return running;
}

function provision(cell: NewCell, slug: string, ownerUserId: string) {
  const { locality } = cell;
  const wanted = { requestId: slug, slug, name: slug, locality, ownerUserId, ownerEmail: "o@example.com" };
  return directory().provisionOrganization(wanted);
}

const cellNames = async () => (await directory().listCells({})).cells.map(({ name }) => name);

test("a cell joins a running fleet, is given an organization, is drained, and goes when it is empty; nobody restarts", async () => {
  const cell = await newCell();
  await startCell(cell);
  expect((await directory().addCell(cell)).cell).toMatchObject({ ...cell, weight: 100, state: CellState.ACTIVE });
  const userId = await createUser(fleet);
  const { organizationId, cellName } = await provision(cell, "joined", userId);
  expect(cellName).toBe(cell.name);

  const organizations = fleet.client(OrganizationService);
  const { organization } = await organizations.getOrganizationBySlug({ slug: "joined" });
  expect(organization?.id).toBe(organizationId);
  await organizations.updateOrganization({ organizationId, name: "Joined", updateMask: { paths: ["name"] } });
  await until("control knows what its new cell says", async () => {
    const page = await directory().listUserOrganizations({ userId });
    return page.organizations[0]?.organization?.name === "Joined";
  });

  const { name } = cell;
  await directory().updateCell({ name, state: CellState.DRAINING, updateMask: { paths: ["state"] } });
  expect(await failureOf(provision(cell, "too-late", userId))).toMatchObject({ reason: "LOCALITY_FULL" });
  const refusal = await directory()
    .removeCell({ name })
    .catch((error: unknown) => errorMetadataOf(error));
  expect(refusal).toEqual({ cell: name, organizations: "1", reservations: "0", provisioning: "0" });

  await organizations.deleteOrganization({ organizationId, immediately: true });
  await until("the cell is empty and removed", () =>
    directory()
      .removeCell({ name })
      .then(
        () => true,
        () => false,
      ),
  );
  expect(await cellNames()).not.toContain(name);
  expect(await failureOf(organizations.batchGetOrganizations({ cellName: name, organizationIds: ["1"] }))).toEqual({
    code: Code.NotFound,
    reason: "CELL_NOT_FOUND",
  });
  const control = fleet.control.database("CONTROL");
  await control.query("select control.outbox_write(array[$1], 2, 1, 20, 1)", [name]);
  await until("nothing waits for a cell that is no more", async () => {
    const sql =
      "select from control.outbox where destination = $1 union all select from control.outbox_held where destination = $1";
    return (await control.query<unknown[]>(sql, [name])).length === 0;
  });
  // What was asked once is answered the same for ever, also about an organization and a cell that are no more.
  expect(await provision(cell, "joined", userId)).toMatchObject({ organizationId, cellName: name });
});

test("a cell that was added while control runs is one of the peers that it reports", async () => {
  const cell = await newCell();
  await directory().addCell(cell);
  const response = await fetch(`${fleet.control.httpAddress}/readyz`);
  const { peers } = (await response.json()) as { peers: Record<string, string> };
  expect(Object.keys(peers)).toEqual(expect.arrayContaining([cell.name, "de1", "us1", "us2"]));
  await directory().removeCell({ name: cell.name });
});

test("a cell's number is never used again, whatever the name; its name may be, with another number", async () => {
  const cell = await newCell();
  await directory().addCell(cell);
  await directory().removeCell({ name: cell.name });
  const used = { code: Code.FailedPrecondition, reason: "CELL_NUMBER_USED" };
  expect(await failureOf(directory().addCell(cell))).toEqual(used);
  expect(await failureOf(directory().addCell({ ...cell, name: `other${counter}` }))).toEqual(used);
  await directory().addCell({ ...cell, number: cell.number + 500 });
  await directory().removeCell({ name: cell.name });
});

test("the same cell again is OK; one at odds with another is refused and changes nothing", async () => {
  const cell = await newCell();
  const added = await directory().addCell({ ...cell, weight: 7, capacity: 9, state: CellState.DRAINING });
  expect(await directory().addCell(cell)).toEqual(added);
  const exists = { code: Code.AlreadyExists, reason: "CELL_EXISTS" };
  const free = { ...cell, name: `free${counter}`, number: 900, rpcAddress: "http://free.test:1" };
  expect(await failureOf(directory().addCell({ ...cell, number: 901 }))).toEqual(exists);
  expect(await failureOf(directory().addCell({ ...free, number: cell.number }))).toEqual(exists);
  expect(await failureOf(directory().addCell({ ...free, rpcAddress: cell.rpcAddress }))).toEqual(exists);
  expect(await cellNames()).not.toContain(free.name);
});

test.each([
  ["of control's name", { name: "control" }, Code.InvalidArgument, "INVALID_FIELD"],
  ["in no locality", { locality: "mars" }, Code.NotFound, "LOCALITY_NOT_FOUND"],
  ["without a number", { number: 0 }, Code.InvalidArgument, "INVALID_FIELD"],
  ["at an address with a path", { rpcAddress: "http://cell.test:1/rpc" }, Code.InvalidArgument, "INVALID_FIELD"],
  ["at control's address", { rpcAddress: "http://control.test:1" }, Code.InvalidArgument, "INVALID_FIELD"],
])("a cell %s cannot be added", async (_what, overrides, code, reason) => {
  const cell = await newCell();
  expect(await failureOf(directory().addCell({ ...cell, ...overrides }))).toEqual({ code, reason });
});

test("a cell is not removed while a creation in it is not finished", async () => {
  const cell = await newCell();
  await directory().addCell(cell);
  const { memory } = fleet;
  let during: unknown;
  if (memory !== undefined) {
    memory.onRequest = async ({ url }) => {
      if (!url.endsWith("CreateOrganization")) return;
      during ??= await directory()
        .removeCell({ name: cell.name })
        .catch((error: unknown) => errorMetadataOf(error));
    };
  }
  // The cell was never started, so that the creation fails; while it was tried, it counted.
  expect(await failureOf(provision(cell, "under-way", "7"))).toMatchObject({ reason: "PROVISIONING_FAILED" });
  if (memory !== undefined) memory.onRequest = undefined;
  expect(during).toEqual({ cell: cell.name, organizations: "0", reservations: "1", provisioning: "1" });
  await until("the creation is forgotten or waits for the cell", async () => {
    const contents = await directory()
      .removeCell({ name: cell.name })
      .catch((error: unknown) => errorMetadataOf(error));
    return !("reservations" in contents) || contents["reservations"] === "0";
  });
});

test("a cell that a locality names for new organizations is not removed before that is changed", async () => {
  const cell = await newCell();
  await directory().addCell(cell);
  const pin = (newOrganizationCell: string) =>
    directory().updateLocality({
      name: cell.locality,
      newOrganizationCell,
      updateMask: { paths: ["new_organization_cell"] },
    });
  expect((await pin(cell.name)).locality).toMatchObject({ cellNames: [cell.name], newOrganizationCell: cell.name });
  expect(await failureOf(directory().removeCell({ name: cell.name }))).toEqual({
    code: Code.FailedPrecondition,
    reason: "CELL_IN_USE",
  });
  await pin("");
  await directory().removeCell({ name: cell.name });
  await directory().removeCell({ name: cell.name });
  expect(await failureOf(pin(cell.name))).toEqual({ code: Code.NotFound, reason: "CELL_NOT_FOUND" });
});

test("a cell that moved to another address is called there at once", async () => {
  const cell = await newCell();
  await directory().addCell({ ...cell, rpcAddress: `http://nowhere${counter}.test:1` });
  await startCell(cell);
  const organizations = fleet.client(OrganizationService);
  const ask = () => organizations.batchGetOrganizations({ cellName: cell.name, organizationIds: ["1"] });
  expect(await failureOf(ask())).toMatchObject({ code: Code.Unavailable });
  const { name, rpcAddress } = cell;
  await directory().updateCell({ name, rpcAddress, updateMask: { paths: ["rpc_address"] } });
  await until("the circuit to the cell is closed again", async () =>
    ask().then(
      () => true,
      () => false,
    ),
  );
});
