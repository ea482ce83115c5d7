import { readCrossSiloReferences, rowsOf, siloTableOf } from "@cellway/database";
import { IntegrationService } from "@cellway/gen/cellway/integration/v1/integration";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { UserService } from "@cellway/gen/cellway/user/v1/user";
import { type Fleet, type FleetSilo, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import {
  addMember,
  CELLS,
  createMemberEverywhere,
  createOrganization,
  createUser,
  isMemberInCell,
  type TestOrganization,
  until,
  untilDelivered,
} from "./organizations.js";

async function controlRows<Row>(fleet: Fleet, sql: string, parameters: unknown[] = []): Promise<Row[]> {
  return rowsOf<Row>(await fleet.control.database("CONTROL").query(sql, parameters));
}

async function cellRows<Row>(fleet: Fleet, cellName: string, sql: string, parameters: unknown[] = []): Promise<Row[]> {
  return rowsOf<Row>(await fleet.cell(cellName).database("CELL").query(sql, parameters));
}

/** Deletes a user as nobody should: the cells are not asked before. */
async function deleteByHand(fleet: Fleet, userId: string): Promise<void> {
  await controlRows(fleet, "delete from control.user where id = $1", [userId]);
}

async function hasTombstone(fleet: Fleet, cellName: string, userId: string): Promise<boolean> {
  const sql = "select from cell.tombstone where target = 'control.user' and object_id = $1";
  return (await cellRows(fleet, cellName, sql, [userId])).length > 0;
}

/** Runs the cascades of a side until nothing is pending. */
async function untilCascaded(silo: FleetSilo, side: "CONTROL" | "CELL"): Promise<void> {
  await until(
    `nothing is pending in ${silo.silo.name}`,
    async () => {
      await silo.tasks.runNow(`tombstones.cascade-${side.toLowerCase()}`);
      const sql = `select from ${side.toLowerCase()}.tombstone_cascade limit 1`;
      return rowsOf(await silo.database(side).query(sql)).length === 0;
    },
    40_000,
  );
}

async function untilCellsForget(fleet: Fleet, userId: string, cellNames: readonly string[]): Promise<void> {
  for (const cellName of cellNames) {
    await until(`${cellName} is told`, () => hasTombstone(fleet, cellName, userId), 40_000);
    await untilCascaded(fleet.cell(cellName), "CELL");
  }
}

/** Invites somebody on behalf of a user; answers the member's id. */
async function inviteBy(fleet: Fleet, organization: TestOrganization, inviterId: string): Promise<string> {
  const email = `invited-${inviterId}@example.com`;
  const { member } = await fleet.client(OrganizationService).addOrganizationMember({
    member: { organizationId: organization.id, identity: { case: "email", value: email }, inviterId },
  });
  return member?.id ?? "";
}

/** What control knows of a user's memberships. */
async function countMappings(fleet: Fleet, userId: string): Promise<number> {
  const sql = "select from control.organization_member_mapping where user_id = $1 and not is_removed";
  return (await controlRows(fleet, sql, [userId])).length;
}

async function installIntegration(fleet: Fleet, organization: TestOrganization): Promise<void> {
  const { integration } = await fleet
    .client(IntegrationService)
    .createIntegration({ provider: "github", externalId: organization.slug, name: organization.slug });
  await fleet
    .client(IntegrationService)
    .addOrganizationIntegration({ organizationId: organization.id, integrationId: integration?.id ?? "" });
}

/** Creates a key in a project of the organization, and waits until control knows of it. */
async function createKey(fleet: Fleet, { id: organizationId }: TestOrganization): Promise<void> {
  const client = fleet.client(OrganizationService);
  const { teams } = await client.listTeams({ organizationId });
  const { project } = await client.createProject({
    organizationId,
    teamId: teams[0]?.id ?? "",
    slug: "web",
    name: "web",
  });
  await client.createProjectKey({ organizationId, projectId: project?.id ?? "", label: "default" });
  const sql = "select from control.project_key_mapping where organization_id = $1";
  await until("control knows of the key", async () => (await controlRows(fleet, sql, [organizationId])).length > 0);
}

/** Ends an organization as the purge does, 30 days early. */
async function purge(fleet: Fleet, { id, cellName }: TestOrganization): Promise<void> {
  await fleet.client(OrganizationService).deleteOrganization({ organizationId: id });
  await cellRows(
    fleet,
    cellName,
    "update cell.organization set purge_at = purge_at - interval '31 days' where id = $1",
    [id],
  );
  await fleet.cell(cellName).tasks.runNow("organization.purge-deleted");
  await until(
    "control knows that the organization is gone",
    async () => {
      const sql = "select from control.organization_mapping where organization_id = $1";
      return (await controlRows(fleet, sql, [id])).length === 0;
    },
    40_000,
  );
}

/** What control holds about an organization that its cell does not tell it to remove. */
async function countLeft(fleet: Fleet, { id }: TestOrganization): Promise<{ integrations: number; keys: number }> {
  const count = async (table: string) =>
    (await controlRows(fleet, `select from control.${table} where organization_id = $1`, [id])).length;
  return { integrations: await count("organization_integration"), keys: await count("project_key_mapping") };
}

describe("siloed", () => {
  let fleet: Fleet;

  beforeAll(async () => {
    fleet = await startFleet({ modules: MODULES });
  }, 60_000);
  afterAll(() => fleet?.stop());

  test("a user that is deleted, however, is no member anywhere, and control's lists say so", async () => {
    const { userId, organizations } = await createMemberEverywhere(fleet);
    const other = await createUser(fleet);
    for (const organization of organizations) await addMember(fleet, organization, other);
    await deleteByHand(fleet, userId);
    await untilCellsForget(fleet, userId, CELLS);
    await untilDelivered(fleet);
    for (const organization of organizations) {
      expect(await isMemberInCell(fleet, organization, userId)).toBe(false);
      expect(await isMemberInCell(fleet, organization, other)).toBe(true);
    }
    expect([await countMappings(fleet, userId), await countMappings(fleet, other)]).toEqual([0, 3]);
  });

  test("an invitation outlives who made it, and says no more who that was; who asked for an organization stays known", async () => {
    const userId = await createUser(fleet);
    const organization = await createOrganization(fleet, { cellName: "us2", ownerUserId: userId });
    const memberId = await inviteBy(fleet, organization, userId);
    await deleteByHand(fleet, userId);
    await untilCellsForget(fleet, userId, ["us2"]);
    const invited = await cellRows(fleet, "us2", "select inviter_id from cell.organization_member where id = $1", [
      memberId,
    ]);
    expect(invited).toEqual([{ inviter_id: null }]);
    const sql = "select initial_owner_user_id from cell.organization where id = $1";
    expect(await cellRows(fleet, "us2", sql, [organization.id])).toEqual([{ initial_owner_user_id: userId }]);
  });

  test("who is made a member after being deleted does not stay one", async () => {
    const { userId, organizations } = await createMemberEverywhere(fleet);
    const [organization] = organizations;
    if (organization === undefined) throw new Error("no organization");
    expect(await fleet.client(UserService).deleteUser({ userId })).toMatchObject({ wasDeleted: true });
    await untilCellsForget(fleet, userId, CELLS);
    await addMember(fleet, organization, userId);
    expect(await isMemberInCell(fleet, organization, userId)).toBe(true);
    await untilCascaded(fleet.cell(organization.cellName), "CELL");
    await untilDelivered(fleet);
    expect([await isMemberInCell(fleet, organization, userId), await countMappings(fleet, userId)]).toEqual([false, 0]);
  });

  test("a cell that is away while a user is deleted forgets it when it is back; the others do not wait", async () => {
    const { userId, organizations } = await createMemberEverywhere(fleet);
    await fleet.stopSilo("us2");
    await deleteByHand(fleet, userId);
    await untilCellsForget(fleet, userId, ["us1", "de1"]);
    await fleet.restart("us2");
    await untilCellsForget(fleet, userId, ["us2"]);
    const members = organizations.map((organization) => isMemberInCell(fleet, organization, userId));
    expect(await Promise.all(members)).toEqual([false, false, false]);
  });

  test("a deletion that is rolled back is not told, and a user who is there is never told to be gone", async () => {
    const userId = await createUser(fleet);
    const database = fleet.control.database("CONTROL");
    const undone = database.transaction(async (manager) => {
      await manager.query("delete from control.user where id = $1", [userId]);
      throw new Error("undone");
    });
    await expect(undone).rejects.toThrow("undone");
    await controlRows(fleet, "select control.outbox_write(control.cells_of_fleet(), 2, $1, 40, $1)", [userId]);
    await until("everything is told", async () => {
      const sql = `select from control.outbox where shard_id = $1
        union all select from control.outbox_held where shard_id = $1`;
      return (await controlRows(fleet, sql, [userId])).length === 0;
    });
    expect(await Promise.all(CELLS.map((cellName) => hasTombstone(fleet, cellName, userId)))).toEqual([
      false,
      false,
      false,
    ]);
  });

  test("an organization that is gone takes along what control holds for it, and nothing of another's", async () => {
    const ownerUserId = await createUser(fleet);
    const gone = await createOrganization(fleet, { cellName: "us1", ownerUserId });
    const kept = await createOrganization(fleet, { cellName: "us1", ownerUserId });
    for (const organization of [gone, kept]) {
      await installIntegration(fleet, organization);
      await createKey(fleet, organization);
    }
    await purge(fleet, gone);
    await untilCascaded(fleet.control, "CONTROL");
    expect(await countLeft(fleet, gone)).toEqual({ integrations: 0, keys: 0 });
    expect(await countLeft(fleet, kept)).toEqual({ integrations: 1, keys: 1 });
  });

  test("what is installed for an organization that is gone does not stay", async () => {
    const organization = await createOrganization(fleet, {
      cellName: "de1",
      ownerUserId: await createUser(fleet),
    });
    await purge(fleet, organization);
    await untilCascaded(fleet.control, "CONTROL");
    await installIntegration(fleet, organization);
    expect((await countLeft(fleet, organization)).integrations).toBe(1);
    await untilCascaded(fleet.control, "CONTROL");
    expect((await countLeft(fleet, organization)).integrations).toBe(0);
  });
});

describe("monolith", () => {
  let fleet: Fleet;

  beforeAll(async () => {
    fleet = await startFleet({ modules: MODULES, mode: "monolith" });
  }, 60_000);
  afterAll(() => fleet?.stop());

  test("both sides let go of what the other has deleted, in one database", async () => {
    const { userId, organizations } = await createMemberEverywhere(fleet);
    const [organization] = organizations;
    if (organization === undefined) throw new Error("no organization");
    await installIntegration(fleet, organization);
    await deleteByHand(fleet, userId);
    await untilCellsForget(fleet, userId, CELLS);
    const members = organizations.map((each) => isMemberInCell(fleet, each, userId));
    expect(await Promise.all(members)).toEqual([false, false, false]);
    await purge(fleet, organization);
    await untilCascaded(fleet.control, "CONTROL");
    expect((await countLeft(fleet, organization)).integrations).toBe(0);
  });

  test("every column with ids of the other side declares what their deletion means", async () => {
    const declared = readCrossSiloReferences(MODULES.flatMap((module) => module.entities));
    const known = new Set(declared.map(({ table, column }) => `${table}.${column}`));
    // Tables without an entity, and why nothing has to be done about them.
    const exempt = [
      "control.route_change.organization_id: a log, kept for a day",
      "control.team_mapping.organization_id: goes with the mapping, by a foreign key",
      "control.team_mapping.team_id: the cell says when it is gone",
      "cell.user_replica.user_id: control says when it is gone",
      "cell.api_token_replica.user_id: control says when it is gone",
      "cell.session_replica.user_id: control says when it is gone",
      "cell.integration_replica.integration_id: control says when it is gone",
      "cell.organization_integration_replica.integration_id: control says when it is gone",
      "cell.organization_integration_replica.organization_integration_id: control says when it is gone",
    ];
    for (const line of exempt) known.add(line.slice(0, line.indexOf(":")));
    const columns = await controlRows<{ name: string }>(
      fleet,
      `select format('%s.%s.%s', table_schema, table_name, column_name) as name from information_schema.columns
        where data_type = 'bigint' and case table_schema
          when 'control' then column_name ~ '(^|_)(organization|member|team|project|project_key)_id$'
          when 'cell' then column_name ~ '(^|_)(user|inviter|integration)_id$' end
          and (table_schema, table_name, column_name) not in (('cell', 'team_member', 'member_id'))
        order by 1`,
    );
    expect(columns.length).toBeGreaterThan(10);
    expect(columns.map(({ name }) => name).filter((name) => !known.has(name))).toEqual([]);
  });
});

test("every table that is referred to exists, and is told of or mirrored where that matters", () => {
  const declared = readCrossSiloReferences(MODULES.flatMap((module) => module.entities));
  const told = new Set(MODULES.flatMap((module) => module.tombstones ?? []).map(({ target }) => target));
  const untold = declared.filter(({ onDelete, target }) => onDelete !== "nothing" && !told.has(target));
  expect(untold.map(({ table, column }) => `${table}.${column}`)).toEqual([]);
  const tables = new Set(MODULES.flatMap((module) => module.entities).map(siloTableOf));
  const nowhere = [...declared.map(({ target }) => target), ...told].filter((target) => !tables.has(target));
  expect(nowhere).toEqual([]);
});
