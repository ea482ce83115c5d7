import { CellState, DirectoryService, LocalityCategory } from "@cellway/gen/cellway/directory/v1/directory";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { createControlSilo, formatTopology, parseTopology } from "@cellway/silo";
import { type Fleet, startFleet } from "@cellway/testing";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { startLoneSilo } from "./lone-silo.js";
import { MODULES } from "./modules.js";
import { createUser, untilDelivered } from "./organizations.js";
import { failureOf } from "./scenario.js";

let fleet: Fleet;

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES });
});
afterAll(() => fleet?.stop());

const directory = () => fleet.client(DirectoryService);
const cellNames = async () => (await directory().listCells({})).cells.map(({ name }) => name);

test("a locality whose name is the slug of an organization, an alias or a slug to be is not added", async () => {
  const userId = await createUser(fleet);
  const wanted = { name: "S", locality: "de", ownerUserId: userId, ownerEmail: "o@example.com" };
  const { organizationId } = await directory().provisionOrganization({ ...wanted, requestId: "fr", slug: "fr" });
  const taken = { code: Code.AlreadyExists, reason: "SLUG_TAKEN" };
  expect(await failureOf(directory().addLocality({ name: "fr" }))).toEqual(taken);
  await directory().renameOrganization({ organizationId, slug: "france" });
  for (const name of ["fr", "france"]) expect(await failureOf(directory().addLocality({ name }))).toEqual(taken);
  await fleet.client(OrganizationService).deleteOrganization({ organizationId, immediately: true });
  await untilDelivered(fleet, ["de1"]);
  await directory().addLocality({ name: "fr", displayName: "France" });
  expect(
    await failureOf(directory().provisionOrganization({ ...wanted, requestId: "again", slug: "fr" })),
  ).toMatchObject({ reason: "SLUG_RESERVED" });
});

test("a topology file whose new locality has the name of a slug does not start; those of before run on", async () => {
  const wanted = { requestId: "paris", slug: "paris", name: "P", ownerUserId: "7", ownerEmail: "o@example.com" };
  await directory().provisionOrganization({ ...wanted, locality: "de" });
  const file = formatTopology(fleet.topology) as { cells: object[]; localities: object[] };
  file.cells.push({ name: "fr1", number: 77, rpc_address: "http://fr1.test:1" });
  file.localities.push({ name: "paris", cells: ["fr1"] });
  const start = startLoneSilo(createControlSilo(), fleet.control.databaseUrl, {
    topology: parseTopology(file, "a new topology file"),
  });
  await expect(start).rejects.toThrow("The slug paris is taken");
  expect(await cellNames()).not.toContain("fr1");
});

test("a slug and a locality of one name that are wanted at once: one of them comes to be", async () => {
  const names = Array.from({ length: 8 }, (_, index) => `raced-${index}`);
  const outcomes = await Promise.all(
    names.map(async (name) => {
      const wanted = {
        requestId: name,
        slug: name,
        name,
        locality: "de",
        ownerUserId: "7",
        ownerEmail: "o@example.com",
      };
      const both = await Promise.allSettled([
        directory().provisionOrganization(wanted),
        directory().addLocality({ name }),
      ]);
      return both.filter(({ status }) => status === "fulfilled").length;
    }),
  );
  expect(outcomes).toEqual(names.map(() => 1));
});

test("a locality is removed when it has no cells, and is not there before it is added again", async () => {
  const name = "zone";
  const cell = { name: "zone1", number: 500, locality: name, rpcAddress: "http://zone1.test:1" };
  await directory().addLocality({ name });
  await directory().addCell(cell);
  expect(await failureOf(directory().removeLocality({ name }))).toEqual({
    code: Code.FailedPrecondition,
    reason: "LOCALITY_NOT_EMPTY",
  });
  expect(await failureOf(directory().addLocality({ name, category: LocalityCategory.SINGLE_TENANT }))).toEqual({
    code: Code.AlreadyExists,
    reason: "LOCALITY_EXISTS",
  });
  await directory().removeCell({ name: cell.name });
  await directory().removeLocality({ name });
  await directory().removeLocality({ name });
  expect((await directory().listLocalities({})).localities.map((locality) => locality.name)).not.toContain(name);
});

test("a restart of control undoes nothing that an operator did, and follows the file for the rest", async () => {
  const movedTo = "http://moved.test:1";
  const control = () => fleet.control.database("CONTROL");
  await directory().updateCell({
    name: "us2",
    weight: 7,
    state: CellState.DRAINING,
    rpcAddress: movedTo,
    updateMask: { paths: ["weight", "state", "rpc_address"] },
  });
  await directory().updateLocality({
    name: "us",
    displayName: "States",
    updateMask: { paths: ["display_name"] },
  });
  const { organizationId } = await directory().provisionOrganization({
    requestId: "leaves",
    slug: "leaves",
    name: "Leaves",
    locality: "de",
    ownerUserId: "7",
    ownerEmail: "o@example.com",
  });
  // Nobody has touched de1 through the directory: it still follows the file.
  await control().query("update control.cell set rpc_address = 'http://stale.test:1' where name = 'de1'");
  await fleet.restart("control");
  const { cells } = await directory().listCells({});
  expect(cells.find((cell) => cell.name === "us2")).toMatchObject({
    weight: 7,
    state: CellState.DRAINING,
    rpcAddress: movedTo,
  });
  expect(cells.find((cell) => cell.name === "de1")?.rpcAddress).toBe("http://de1.test:1");
  const { localities } = await directory().listLocalities({});
  expect(localities.find((locality) => locality.name === "us")?.displayName).toBe("States");
  await fleet.client(OrganizationService).deleteOrganization({ organizationId, immediately: true });
});

test("a cell and a locality of the file that an operator removed stay away after a restart", async () => {
  await directory().updateLocality({
    name: "us",
    newOrganizationCell: "us1",
    updateMask: { paths: ["new_organization_cell"] },
  });
  await directory().removeCell({ name: "us2" });
  await fleet.restart("control");
  expect(await cellNames()).not.toContain("us2");
  expect((await directory().listLocalities({})).localities.find(({ name }) => name === "us")?.cellNames).toEqual([
    "us1",
  ]);
});

test("in a monolith cells are neither added nor removed: they are parts of the process", async () => {
  const monolith = await startFleet({ modules: MODULES, mode: "monolith" });
  try {
    const fixed = { code: Code.FailedPrecondition, reason: "MONOLITH_CELLS_FIXED" };
    const client = monolith.client(DirectoryService);
    const cell = { name: "us3", number: 9, locality: "us", rpcAddress: "http://us3.test:1" };
    expect(await failureOf(client.addCell(cell))).toEqual(fixed);
    expect(await failureOf(client.removeCell({ name: "us2" }))).toEqual(fixed);
  } finally {
    await monolith.stop();
  }
});
