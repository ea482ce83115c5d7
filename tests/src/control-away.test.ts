import { OutboxScope } from "@cellway/gen/cellway/contract/v1/options";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { compareDirectory, findUnfinished, type SiloQuery } from "./agreement.js";
import { MODULES } from "./modules.js";
import { CELLS, createEverywhere, createUser, type TestOrganization, until } from "./organizations.js";

let fleet: Fleet;

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES });
});

afterAll(() => fleet?.stop());

const query: SiloQuery = (silo, sql) =>
  fleet
    .cell(silo)
    .database(silo === "control" ? "CONTROL" : "CELL")
    .query<Record<string, unknown>[]>(sql);

/** Creates a project with keys by calls in the cell itself, as its own users do. */
async function createKeys({ id: organizationId, cellName }: TestOrganization, count: number): Promise<string[]> {
  const client = fleet.cell(cellName).rpc.client(OrganizationService);
  const { teams } = await client.listTeams({ organizationId });
  const teamId = teams[0]?.id ?? "";
  const { project } = await client.createProject({ organizationId, teamId, slug: "web", name: "web" });
  const ids: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const { key } = await client.createProjectKey({ organizationId, projectId: project?.id ?? "", label: `k${index}` });
    ids.push(key?.id ?? "");
  }
  return ids;
}

test("control is away while all cells write on: nothing fails, all arrives when it is back, in the order of the changes", async () => {
  const organizations = await createEverywhere(fleet, await createUser(fleet));
  await until("everything is told", async () => (await findUnfinished(query, CELLS)).length === 0);
  await fleet.stopSilo("control");

  const keys = await Promise.all(organizations.map((organization) => createKeys(organization, 20)));
  for (const { id, cellName } of organizations) {
    // The changes of a long time: each key again and again, and keys that come and go.
    for (let round = 0; round < 40; round += 1) {
      await query(
        cellName,
        `update cell.project_key set public_key = md5(id::text || ${round}) where organization_id = ${id}`,
      );
    }
    await query(cellName, `delete from cell.project_key where organization_id = ${id} and id % 5 = 0`);
  }
  for (const { id, cellName } of organizations) {
    const outbox = fleet.cell(cellName).outbox("CELL");
    await expect(outbox.flush({ scope: OutboxScope.ORGANIZATION, shardId: id })).rejects.toThrow("committed");
  }

  await fleet.restart("control");
  await until("everything is told", async () => (await findUnfinished(query, CELLS)).length === 0);
  const { compared, differences } = await compareDirectory(query, CELLS);
  expect(differences).toEqual([]);
  expect(compared["project keys"]).toBeGreaterThan(0);
  for (const own of keys) expect(own).toHaveLength(20);
}, 120_000);

test("what was created one after the other while control was away arrives in that order", async () => {
  const organizations = await createEverywhere(fleet, await createUser(fleet));
  await until("everything is told", async () => (await findUnfinished(query, CELLS)).length === 0);
  await query(
    "control",
    "create table control.arrival (place bigint generated always as identity, key_id bigint, organization_id bigint)",
  );
  await query(
    "control",
    `create function control.note_arrival() returns trigger language plpgsql as
      $$ begin insert into control.arrival (key_id, organization_id) values (new.project_key_id, new.organization_id); return null; end $$`,
  );
  await query(
    "control",
    "create trigger note_arrival after insert on control.project_key_mapping for each row execute function control.note_arrival()",
  );
  await fleet.stopSilo("control");
  const created = await Promise.all(organizations.map((organization) => createKeys(organization, 60)));
  await fleet.restart("control");
  await until("everything is told", async () => (await findUnfinished(query, CELLS)).length === 0);
  for (const [index, { id }] of organizations.entries()) {
    const arrived = await query(
      "control",
      `select key_id from control.arrival where organization_id = ${id} order by place`,
    );
    expect(arrived.map((row) => row["key_id"])).toEqual(created[index]);
  }
}, 120_000);
