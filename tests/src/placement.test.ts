import { CellState, DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { type Fleet, startFleet } from "@cellway/testing";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { failureOf } from "./scenario.js";

const US1 = "http://us1.test:1";
const FULL = { code: Code.ResourceExhausted, reason: "LOCALITY_FULL" };
const { ACTIVE, DRAINING } = CellState;

let fleet: Fleet;
let counter = 0;

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES, limits: { circuitMinCallsPerSecond: 1_000_000 } });
});
afterAll(() => fleet?.stop());
beforeEach(async () => {
  if (fleet.memory !== undefined) fleet.memory.onRequest = undefined;
  await purgeAll();
  await pin("");
  for (const name of ["us1", "us2"]) await set(name, { weight: 100, capacity: 0, state: ACTIVE });
});

const directory = () => fleet.client(DirectoryService);

function set(name: string, change: { weight?: number; capacity?: number; state?: CellState }) {
  return directory().updateCell({ name, ...change, updateMask: { paths: Object.keys(change) } });
}

function pin(newOrganizationCell: string) {
  return directory().updateLocality({
    name: "us",
    newOrganizationCell,
    updateMask: { paths: ["new_organization_cell"] },
  });
}

async function purgeAll(): Promise<void> {
  for (const cellName of ["us1", "us2"]) {
    const { mappings } = await directory().listOrganizationMappings({ cellName, pageSize: 200 });
    for (const { organizationId } of mappings)
      await fleet.client(OrganizationService).deleteOrganization({ organizationId, immediately: true });
  }
}

/** The cell that the next organization is created in. */
async function place(requestId = `place-${++counter}`): Promise<string> {
  const slug = requestId;
  const wanted = { requestId, slug, name: slug, locality: "us", ownerUserId: "7", ownerEmail: "o@example.com" };
  return (await directory().provisionOrganization(wanted)).cellName;
}

async function placeMany(count: number): Promise<string[]> {
  const cells: string[] = [];
  for (let made = 0; made < count; made += 1) cells.push(await place());
  return cells;
}

test("the cell that a locality names gets every organization, whatever the weights", async () => {
  await set("us1", { weight: 1000 });
  await pin("us2");
  expect(new Set(await placeMany(10))).toEqual(new Set(["us2"]));
});

test("where a locality names none, its cells share by weight, and no other locality's cell gets any", async () => {
  await set("us1", { weight: 300 });
  const cells = await placeMany(60);
  expect(new Set(cells)).toEqual(new Set(["us1", "us2"]));
  expect(cells.filter((cell) => cell === "us1").length).toBeGreaterThan(cells.length / 2);
});

test("a cell that is draining takes none, and takes them again when it is opened", async () => {
  await set("us1", { state: DRAINING });
  expect(new Set(await placeMany(10))).toEqual(new Set(["us2"]));
  await set("us2", { state: DRAINING });
  await set("us1", { state: ACTIVE });
  expect(new Set(await placeMany(3))).toEqual(new Set(["us1"]));
});

test("a cell that is full takes none until one of its organizations is purged", async () => {
  await set("us1", { capacity: 2 });
  await set("us2", { state: DRAINING });
  expect(await placeMany(2)).toEqual(["us1", "us1"]);
  expect(await failureOf(place())).toEqual(FULL);
  const { mappings } = await directory().listOrganizationMappings({ cellName: "us1" });
  const organizations = fleet.client(OrganizationService);
  await organizations.deleteOrganization({ organizationId: mappings[0]?.organizationId ?? "", immediately: true });
  expect(await place()).toBe("us1");
});

test("with no cell left the locality is full: named, with the reason of each cell, and nothing is taken", async () => {
  await set("us1", { state: DRAINING });
  await set("us2", { capacity: 1 });
  expect(await place()).toBe("us2");
  const error = await place("left-over").catch((reason: unknown) => ConnectError.from(reason));
  expect(error).toMatchObject({ code: Code.ResourceExhausted });
  expect(String(error)).toContain("Locality us takes no new organization: us1 is draining, us2 is full.");
  await set("us1", { state: ACTIVE });
  expect(await place("left-over")).toBe("us1");
});

test("the cell that a locality names is not replaced by another when it is full or draining", async () => {
  await pin("us2");
  await set("us2", { state: DRAINING });
  expect(await failureOf(place())).toEqual(FULL);
});

test("a creation that is under way counts: the last place is not given away twice", async () => {
  await set("us1", { capacity: 1 });
  await set("us2", { state: DRAINING });
  let second: Promise<unknown> | undefined;
  if (fleet.memory !== undefined) {
    fleet.memory.onRequest = async ({ url }) => {
      if (!url.endsWith("CreateOrganization") || second !== undefined) return;
      second = failureOf(place());
      await second;
    };
  }
  expect(await place()).toBe("us1");
  expect(await second).toEqual(FULL);
});

test("twenty creations at once fill two cells to their capacity and not beyond", async () => {
  await set("us1", { capacity: 3 });
  await set("us2", { capacity: 4 });
  const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => place()));
  const cells = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
  expect(cells.filter((cell) => cell === "us1")).toHaveLength(3);
  expect(cells.filter((cell) => cell === "us2")).toHaveLength(4);
  const { cells: listed } = await directory().listCells({ withOrganizationCounts: true });
  expect(listed.map(({ name, organizationCount }) => [name, organizationCount])).toEqual([
    ["de1", 0],
    ["us1", 3],
    ["us2", 4],
  ]);
});

test("a list of cells that counts says which of them an organization may be placed in, and no other list does", async () => {
  const takers = async () => {
    const { cells } = await directory().listCells({ withOrganizationCounts: true });
    return cells.filter((cell) => cell.takesNewOrganizations === true).map(({ name }) => name);
  };
  expect(await takers()).toEqual(["de1", "us1", "us2"]);
  await pin("us2");
  expect(await takers()).toEqual(["de1", "us2"]);
  expect(new Set(await placeMany(4))).toEqual(new Set(["us2"]));
  await pin("");
  await set("us2", { capacity: 4 });
  expect(await takers()).toEqual(["de1", "us1"]);
  expect(new Set(await placeMany(4))).toEqual(new Set(["us1"]));
  await set("us1", { state: DRAINING });
  expect(await takers()).toEqual(["de1"]);
  expect(await failureOf(place())).toEqual(FULL);
  const { cells } = await directory().listCells({});
  expect(cells.map((cell) => cell.takesNewOrganizations)).toEqual([undefined, undefined, undefined]);
});

test("a creation that failed gives its place back", async () => {
  await set("us1", { capacity: 1 });
  await set("us2", { state: DRAINING });
  fleet.memory?.down.add(US1);
  expect(await failureOf(place("again"))).toMatchObject({ reason: "PROVISIONING_FAILED" });
  fleet.memory?.down.clear();
  expect(await place("again")).toBe("us1");
});

test("a renamed organization fills one place, not two", async () => {
  await set("us1", { capacity: 2 });
  await set("us2", { state: DRAINING });
  await place();
  const { mappings } = await directory().listOrganizationMappings({ cellName: "us1" });
  await directory().renameOrganization({ organizationId: mappings[0]?.organizationId ?? "", slug: "another-name" });
  expect(await place()).toBe("us1");
  expect(await failureOf(place())).toEqual(FULL);
});
