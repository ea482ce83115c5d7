import { timestampDate } from "@bufbuild/protobuf/wkt";
import { MemberRole, OrganizationStatus } from "@cellway/gen/cellway/organization/v1/types";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { organizationModule } from "../index.js";
import { PURGE_DELAY_MS } from "../purge-organization.js";
import {
  cellClient,
  createOrganizationMaker,
  type MadeOrganization,
  newOrganizationId,
  outcomeOf,
} from "../test-support.js";

const TASK = "organization.purge-deleted";
let fleet: Fleet;
let client: ReturnType<typeof cellClient>;
let makeOrganization: ReturnType<typeof createOrganizationMaker>;
let now = Date.now();

beforeAll(async () => {
  fleet = await startFleet({ modules: [organizationModule], mode: "siloed", now: () => now });
  client = cellClient(fleet);
  makeOrganization = createOrganizationMaker(fleet);
});

afterAll(async () => {
  await fleet?.stop();
});

async function find({ id }: MadeOrganization) {
  return (await client.getOrganization({ organizationId: id })).organization;
}

async function countRows(organizationId: string): Promise<number> {
  const tables = ["organization_member", "team", "team_member", "project", "project_key", "organization_option"];
  const sql = tables.map((table) => `(select count(*) from cell.${table} where organization_id = $1)`).join(" + ");
  const [row] = await fleet.cell("us1").database("CELL").query(`select (${sql})::int as count`, [organizationId]);
  return row.count;
}

test("an organization carries the membership of a user when one is asked for and is a member", async () => {
  const organization = await makeOrganization();
  const key = { organizationId: organization.id };
  expect((await client.getOrganization(key)).membership).toBeUndefined();
  expect((await client.getOrganization({ ...key, userId: "9" })).membership).toBeUndefined();
  expect((await client.getOrganization({ ...key, userId: organization.ownerUserId })).membership).toMatchObject({
    id: organization.ownerMemberId,
  });
  expect((await client.getOrganization({ organizationId: "99", userId: "9" })).organization).toBeUndefined();
});

test("by slug a user sees only active organizations of which the user is a member; nobody in particular sees all", async () => {
  const { id, slug, ownerUserId } = await makeOrganization();
  const seen = async (userId?: string) =>
    (await client.getOrganizationBySlug({ slug, ...(userId === undefined ? {} : { userId }) })).organization?.id;
  expect([await seen(), await seen(ownerUserId), await seen("9")]).toEqual([id, id, undefined]);
  await client.deleteOrganization({ organizationId: id });
  expect([await seen(), await seen(ownerUserId)]).toEqual([id, undefined]);
  expect((await client.getOrganizationBySlug({ slug: "no-such" })).organization).toBeUndefined();
});

test("several organizations come ordered by id, those that are elsewhere left out", async () => {
  const one = await makeOrganization();
  const two = await makeOrganization();
  const { organizations } = await client.batchGetOrganizations({
    cellName: "us1",
    organizationIds: [two.id, await newOrganizationId(fleet), one.id],
  });
  expect(organizations.map((organization) => organization.id)).toEqual([one.id, two.id]);
  const tooMany = Array.from({ length: 201 }, (_, index) => String(index + 1));
  expect(await outcomeOf(client.batchGetOrganizations({ cellName: "us1", organizationIds: tooMany }))).toMatch(
    /^InvalidArgument/,
  );
});

test("an update changes what the mask names and nothing else; only what lists show counts as a new version", async () => {
  const organization = await makeOrganization();
  const { organization: flagged } = await client.updateOrganization({
    organizationId: organization.id,
    updateMask: { paths: ["is_early_adopter", "allows_join_requests", "avatar_url", "default_role"] },
    name: "Ignored",
    isEarlyAdopter: true,
    avatarUrl: "https://img.example.com/a.png",
    defaultRole: MemberRole.BILLING,
    hasEnhancedPrivacy: true,
  });
  expect(flagged).toMatchObject({
    isEarlyAdopter: true,
    allowsJoinRequests: false,
    hasEnhancedPrivacy: false,
    avatarUrl: "https://img.example.com/a.png",
    version: "1",
  });
  expect(flagged).toMatchObject({ defaultRole: MemberRole.BILLING, hasOpenMembership: true });
  const rename = { organizationId: organization.id, updateMask: { paths: ["name", "avatar_url"] }, name: "New" };
  const { organization: renamed } = await client.updateOrganization(rename);
  expect(renamed).toMatchObject({ name: "New", avatarUrl: "", version: "2", isEarlyAdopter: true });
  expect((await client.updateOrganization(rename)).organization?.version).toBe("2");
  expect(await find(organization)).toEqual(renamed);
});

test.each([
  ["no mask", {}, "update_mask"],
  ["an empty mask", { updateMask: { paths: [] } }, "update_mask"],
  ["a path that cannot be updated", { updateMask: { paths: ["slug"] } }, "update_mask"],
  ["a name in the mask only", { updateMask: { paths: ["name"] } }, "name"],
  ["a role in the mask only", { updateMask: { paths: ["default_role"] } }, "default_role"],
  [
    "an avatar that is no https URL",
    { updateMask: { paths: ["avatar_url"] }, avatarUrl: "javascript:alert(1)" },
    "avatar_url",
  ],
  ["an empty name", { updateMask: { paths: ["name"] }, name: "" }, "name"],
])("an update with %s is refused, naming the field", async (_, change, field) => {
  const { id } = await makeOrganization();
  const call = client.updateOrganization({ organizationId: id, ...change });
  await expect(call).rejects.toMatchObject({ rawMessage: expect.stringContaining(`${field}:`) });
  expect(await outcomeOf(call)).toBe("InvalidArgument INVALID_FIELD");
});

test("an update of an organization that is not there is refused", async () => {
  expect(
    await outcomeOf(client.updateOrganization({ organizationId: "99", updateMask: { paths: ["name"] }, name: "x" })),
  ).toBe("NotFound ORGANIZATION_NOT_FOUND");
});

test("a deletion is pending for 30 days from the first call, then everything is purged and the id never comes back", async () => {
  const organization = await makeOrganization();
  const kept = await makeOrganization();
  const { purgeAt } = await client.deleteOrganization({ organizationId: organization.id });
  expect(purgeAt === undefined ? 0 : timestampDate(purgeAt).getTime()).toBe(now + PURGE_DELAY_MS);
  now += 1000;
  expect((await client.deleteOrganization({ organizationId: organization.id })).purgeAt).toEqual(purgeAt);
  expect(await find(organization)).toMatchObject({
    status: OrganizationStatus.PENDING_DELETION,
    purgeAt,
    version: "2",
  });
  await fleet.cell("us1").tasks.runNow(TASK);
  expect(await find(organization)).toBeDefined();
  now += PURGE_DELAY_MS;
  await fleet.cell("us1").tasks.runNow(TASK);
  expect(await find(organization)).toBeUndefined();
  expect(await countRows(organization.id)).toBe(0);
  expect(await find(kept)).toMatchObject({ status: OrganizationStatus.ACTIVE });
  const again = {
    cellName: "us1",
    organizationId: organization.id,
    slug: organization.slug,
    name: "x",
    ownerUserId: "1",
    ownerEmail: "a@example.com",
  };
  expect(await outcomeOf(client.createOrganization(again))).toBe("FailedPrecondition ORGANIZATION_CREATION_CANCELLED");
});

test("an immediate deletion purges at once, projects and keys included, and again finds nothing", async () => {
  const organization = await makeOrganization();
  const database = fleet.cell("us1").database("CELL");
  const [team] = await database.query("select id from cell.team where organization_id = $1", [organization.id]);
  await database.query(
    "insert into cell.project (id, organization_id, slug, name, team_id, created_at) values (77, $1, 'p', 'P', $2, now())",
    [organization.id, team.id],
  );
  await database.query(
    "insert into cell.project_key (id, organization_id, project_id, label, public_key, secret_key_hash, created_at) values (78, $1, 77, 'k', repeat('a', 32), '\\x00', now())",
    [organization.id],
  );
  await client.deleteOrganization({ organizationId: organization.id });
  expect(
    (await client.deleteOrganization({ organizationId: organization.id, immediately: true })).purgeAt,
  ).toBeUndefined();
  expect(await countRows(organization.id)).toBe(0);
  expect(
    (await client.deleteOrganization({ organizationId: organization.id, immediately: true })).purgeAt,
  ).toBeUndefined();
});

test("an organization that is still being created is not purged", async () => {
  const { id } = await makeOrganization({ confirmed: false });
  expect(await outcomeOf(client.deleteOrganization({ organizationId: id, immediately: true }))).toBe(
    "FailedPrecondition ORGANIZATION_NOT_CONFIRMED",
  );
  await client.deleteOrganization({ organizationId: id });
  now += PURGE_DELAY_MS;
  await fleet.cell("us1").tasks.runNow(TASK);
  expect((await client.getOrganization({ organizationId: id })).organization).toBeDefined();
});

test("more organizations than a batch are purged in one run", async () => {
  const database = fleet.cell("us1").database("CELL");
  await database.query(
    `insert into cell.organization (id, slug, name, status, is_confirmed, initial_owner_user_id, initial_owner_member_id, created_at, purge_at)
     select 500000 + n, 'bulk-' || n, 'Bulk', 'PENDING_DELETION', true, 1, 1, now(), to_timestamp($1) from generate_series(1, 205) n`,
    [Math.floor(now / 1000) - 1],
  );
  await fleet.cell("us1").tasks.runNow(TASK);
  expect(await database.query("select count(*)::int as count from cell.organization where slug like 'bulk-%'")).toEqual(
    [{ count: 0 }],
  );
});

test("the default organization is the only one; there may be none, and several are an error", async () => {
  const de1 = cellClient(fleet, "de1");
  const make = createOrganizationMaker(fleet, "de1");
  await make({ confirmed: false });
  expect((await de1.getDefaultOrganization({})).organization).toBeUndefined();
  const { id } = await make();
  expect((await de1.getDefaultOrganization({})).organization?.id).toBe(id);
  await make();
  expect(await outcomeOf(de1.getDefaultOrganization({}))).toBe("FailedPrecondition SEVERAL_ORGANIZATIONS");
});

test("in a monolith each cell answers for its own organizations, and ids carry the organization's cell", async () => {
  const monolith = await startFleet({ modules: [organizationModule], mode: "monolith" });
  try {
    const { id, ownerMemberId } = await createOrganizationMaker(monolith, "de1")();
    const own = cellClient(monolith, "de1");
    expect(BigInt(ownerMemberId) & 1023n).toBe(3n);
    expect((await own.batchGetOrganizations({ cellName: "de1", organizationIds: [id] })).organizations).toHaveLength(1);
    expect((await own.batchGetOrganizations({ cellName: "us1", organizationIds: [id] })).organizations).toHaveLength(0);
  } finally {
    await monolith.stop();
  }
});
