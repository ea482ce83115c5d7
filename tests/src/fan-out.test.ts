import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { type CellRequest, fanOut, reasonOf } from "@cellway/rpc";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { createEverywhere, createUser, type TestOrganization } from "./organizations.js";

let fleet: Fleet;
let organizations: TestOrganization[];

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES });
  organizations = await createEverywhere(fleet, await createUser(fleet));
});
afterAll(() => fleet?.stop());

/** Asks a cell itself, not the directory, for those of the organizations that it has. */
async function askCell(cellName: string, { signal, timeoutMs }: CellRequest) {
  const organizationIds = organizations.map(({ id }) => id);
  const answer = await fleet
    .client(OrganizationService)
    .batchGetOrganizations({ cellName, organizationIds }, { signal, timeoutMs });
  return { items: answer.organizations.map(({ slug }) => slug) };
}

async function askAll() {
  const { cells } = await fleet.client(DirectoryService).listCells({});
  return fanOut(
    cells.map(({ name }) => name),
    askCell,
  );
}

test("every cell of a fleet is asked, and a cell that is stopped is named and costs only itself", async () => {
  const slugsIn = (...cells: string[]) => cells.map((cell) => organizations.find((one) => one.cellName === cell)?.slug);
  const whole = await askAll();
  expect(whole.items.map(({ item }) => item)).toEqual(slugsIn("de1", "us1", "us2"));
  expect(whole.failures).toEqual([]);

  await fleet.stopSilo("us1");
  const part = await askAll();
  expect(part.items.map(({ item }) => item)).toEqual(slugsIn("de1", "us2"));
  expect(part.failures.map(({ cell, error }) => [cell, reasonOf(error)])).toEqual([["us1", "SILO_UNREACHABLE"]]);

  await fleet.restart("us1");
  expect((await askAll()).failures).toEqual([]);
});
