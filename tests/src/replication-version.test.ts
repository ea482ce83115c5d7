import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceModule } from "@cellway/host";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { createOrganization, createUser, until } from "./organizations.js";

let fleet: Fleet;
/** What the code says; a silo reads it when it starts. */
let version = 1;

const modules = MODULES.map(
  (module): ServiceModule => ({
    ...module,
    get sends() {
      return (module.sends ?? []).map((source) => ({ ...source, replicationVersion: version }));
    },
  }),
);

beforeAll(async () => {
  fleet = await startFleet({ modules });
});

afterAll(() => fleet?.stop());

interface Key {
  readonly id: string;
  readonly organization_id: string;
  readonly project_id: string;
  readonly public_key: string;
}

const keysIn = (cellName: string) =>
  fleet
    .cell(cellName)
    .database("CELL")
    .query<Key[]>("select id, organization_id, project_id, public_key from cell.project_key order by id");

const keysAtControl = () =>
  fleet.control
    .database("CONTROL")
    .query<Key[]>(
      "select project_key_id as id, organization_id, project_id, public_key from control.project_key_mapping where not is_removed order by id",
    );

test("a deploy that raises a version has control told of every row of the table again, and changes nothing of other cells", async () => {
  const ownerUserId = await createUser(fleet);
  const organizations = fleet.client(OrganizationService);
  for (const cellName of ["us1", "us1", "us1", "de1"]) {
    const { id: organizationId, slug } = await createOrganization(fleet, { cellName, ownerUserId });
    const { teams } = await organizations.listTeams({ organizationId });
    const { project } = await organizations.createProject({
      organizationId,
      teamId: teams[0]?.id ?? "",
      slug,
      name: slug,
    });
    for (const label of ["one", "two"]) {
      await organizations.createProjectKey({ organizationId, projectId: project?.id ?? "", label });
    }
  }
  const expected = [...(await keysIn("us1")), ...(await keysIn("de1"))].sort((one, other) =>
    BigInt(one.id) < BigInt(other.id) ? -1 : 1,
  );
  expect(expected).toHaveLength(8);
  await until("control knows every key", async () => (await keysAtControl()).length === 8);
  // As if the columns had come with this version.
  await fleet.control
    .database("CONTROL")
    .query("update control.project_key_mapping set project_id = null, public_key = null");

  version = 2;
  await fleet.restart("us1");
  await fleet.restart("de1");
  await until("control knows all of every key", async () => {
    return JSON.stringify(await keysAtControl()) === JSON.stringify(expected);
  });
  for (const [cellName, count] of [
    ["us1", "6"],
    ["de1", "2"],
    ["us2", "0"],
  ] as const) {
    const sql = "select version, is_done, done_count from cell.outbox_backfill where category = 1";
    const [row] = await fleet.cell(cellName).database("CELL").query<unknown[]>(sql);
    expect(row).toEqual({ version: cellName === "us2" ? 1 : 2, is_done: true, done_count: count });
  }
});
