import { create, toBinary } from "@bufbuild/protobuf";
import { OutboxScope } from "@cellway/gen/cellway/contract/v1/options";
import { ProjectKeyReplicaSchema } from "@cellway/gen/cellway/directory/v1/replicas";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { createOrganization, createUser, type TestOrganization, until } from "./organizations.js";

let fleet: Fleet;

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES });
});

afterAll(() => fleet?.stop());

interface TestKey {
  readonly id: string;
  readonly publicKey: string;
  readonly projectId: string;
}

const organizations = () => fleet.client(OrganizationService);

async function createOrganizationIn(cellName: string): Promise<TestOrganization> {
  return createOrganization(fleet, { cellName, ownerUserId: await createUser(fleet) });
}

async function createKeyBy(
  client: ReturnType<typeof organizations>,
  organizationId: string,
  slug: string,
): Promise<TestKey> {
  const { teams } = await client.listTeams({ organizationId });
  const teamId = teams[0]?.id ?? "";
  const { project } = await client.createProject({ organizationId, teamId, slug, name: slug });
  const { key } = await client.createProjectKey({ organizationId, projectId: project?.id ?? "", label: "default" });
  if (key === undefined) throw new Error("no key was created");
  return { id: key.id, publicKey: key.publicKey, projectId: key.projectId };
}

async function createKey({ id: organizationId }: TestOrganization, slug: string): Promise<TestKey> {
  return createKeyBy(organizations(), organizationId, slug);
}

/** Waits until a cell has told control of everything in an organization. */
function flush({ id, cellName }: TestOrganization): Promise<void> {
  return fleet.cell(cellName).outbox("CELL").flush({ scope: OutboxScope.ORGANIZATION, shardId: id });
}

interface Mapping {
  readonly organization_id: string;
  readonly public_key: string | null;
  readonly project_id: string | null;
  readonly is_removed: boolean;
}

async function findMapping(keyId: string): Promise<Mapping | undefined> {
  const sql =
    "select organization_id, public_key, project_id, is_removed from control.project_key_mapping where project_key_id = $1";
  return (await fleet.control.database("CONTROL").query<Mapping[]>(sql, [keyId]))[0];
}

async function cellQuery({ cellName }: TestOrganization, sql: string, parameters: unknown[] = []): Promise<void> {
  await fleet.cell(cellName).database("CELL").query(sql, parameters);
}

test.each(["us1", "us2", "de1"])("a project key that is created in %s is known to control", async (cellName) => {
  const organization = await createOrganizationIn(cellName);
  const key = await createKey(organization, "web");
  await flush(organization);
  expect(await findMapping(key.id)).toEqual({
    organization_id: organization.id,
    public_key: key.publicKey,
    project_id: key.projectId,
    is_removed: false,
  });
});

test("a key that is deleted leads nowhere, and an older state does not bring it back", async () => {
  const organization = await createOrganizationIn("us1");
  const key = await createKey(organization, "web");
  await flush(organization);
  await organizations().deleteProjectKey({ organizationId: organization.id, keyId: key.id });
  await flush(organization);
  expect((await findMapping(key.id))?.is_removed).toBe(true);
});

test("the keys of an organization that is purged lead nowhere", async () => {
  const organization = await createOrganizationIn("de1");
  const key = await createKey(organization, "web");
  await flush(organization);
  await organizations().deleteOrganization({ organizationId: organization.id, immediately: true });
  await flush(organization);
  await until("the key is gone", async () => (await findMapping(key.id)) === undefined);
});

test.each<[string, string]>([
  ["a statement by hand", "update cell.project_key set public_key = $2 where id = $1"],
  [
    "a statement for many rows",
    "update cell.project_key set public_key = $2 where id in (select id from cell.project_key where id = $1)",
  ],
])("a key that is changed by %s is told like any other", async (_, sql) => {
  const organization = await createOrganizationIn("us1");
  const key = await createKey(organization, "web");
  const publicKey = key.id.padStart(32, "0");
  await cellQuery(organization, sql, [key.id, publicKey]);
  await flush(organization);
  expect((await findMapping(key.id))?.public_key).toBe(publicKey);
});

test("a change that is rolled back is not told", async () => {
  const organization = await createOrganizationIn("us1");
  const key = await createKey(organization, "web");
  await flush(organization);
  const database = fleet.cell("us1").database("CELL");
  await database
    .transaction(async (manager) => {
      await manager.query("delete from cell.project_key where id = $1", [key.id]);
      throw new Error("undone");
    })
    .catch(() => undefined);
  const rows = await database.query("select from cell.outbox where category = 1");
  expect([rows, (await findMapping(key.id))?.is_removed]).toEqual([[], false]);
});

describe("control that is away", () => {
  test("delays nothing in the cell, and is told everything when it is back", async () => {
    const organization = await createOrganizationIn("us1");
    const local = fleet.cell("us1").rpc.client(OrganizationService);
    await fleet.stopSilo("control");
    const keys: string[] = [];
    for (let count = 0; count < 5; count += 1) {
      keys.push((await createKeyBy(local, organization.id, `p${count}`)).id);
    }
    await expect(flush(organization)).rejects.toMatchObject({ name: "OutboxFlushError", isCommitted: true });
    await fleet.restart("control");
    await until("control knows all keys", async () => {
      const mappings = await Promise.all(keys.map(findMapping));
      return mappings.every((mapping) => mapping !== undefined);
    });
  }, 30_000);
});

test("a public key that another project has is refused aloud: it is held with its reason, and others go on", async () => {
  const organization = await createOrganizationIn("de1");
  const rival = await createOrganizationIn("us2");
  const taken = await createKey(organization, "web");
  await flush(organization);
  const key = await createKey(rival, "web");
  await flush(rival);
  await cellQuery(rival, "update cell.project_key set public_key = $2 where id = $1", [key.id, taken.publicKey]);
  await expect(flush(rival)).rejects.toThrow("PUBLIC_KEY_TAKEN");
  const other = await createOrganizationIn("us2");
  const free = await createKey(other, "web");
  await flush(other);
  expect((await findMapping(free.id))?.is_removed).toBe(false);
  await cellQuery(rival, "update cell.project_key set public_key = $2 where id = $1", [
    key.id,
    key.id.padStart(32, "0"),
  ]);
  await until(
    "the new state is known",
    async () => (await findMapping(key.id))?.public_key === key.id.padStart(32, "0"),
  );
});

test("a cell that speaks of another cell's organization is refused", async () => {
  const organization = await createOrganizationIn("de1");
  const thief = await createOrganizationIn("us1");
  const content = toBinary(
    ProjectKeyReplicaSchema,
    create(ProjectKeyReplicaSchema, { publicKey: "7".repeat(32), projectId: "7" }),
  );
  await cellQuery(thief, "select cell.outbox_write(array['control'], 1, $1, 1, 77, $2)", [organization.id, content]);
  const flushed = fleet.cell("us1").outbox("CELL").flush({ scope: OutboxScope.ORGANIZATION, shardId: organization.id });
  await expect(flushed).rejects.toThrow("ORGANIZATION_NOT_OWNED");
  expect(await findMapping("77")).toBeUndefined();
});
