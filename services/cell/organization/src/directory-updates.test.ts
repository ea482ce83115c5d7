import { MemberRole, OrganizationStatus } from "@cellway/gen/cellway/organization/v1/types";
import { createRpcError } from "@cellway/rpc";
import { type Fleet, startFleet } from "@cellway/testing";
import { Code } from "@connectrpc/connect";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { organizationModule } from "./index.js";
import {
  cellClient,
  createFakeDirectory,
  createOrganizationMaker,
  type FakeDirectory,
  type MadeOrganization,
} from "./test-support.js";

const TASK = "organization.drain-directory-updates";
let fleet: Fleet;
let directory: FakeDirectory;
let client: ReturnType<typeof cellClient>;
let makeOrganization: ReturnType<typeof createOrganizationMaker>;

beforeAll(async () => {
  directory = createFakeDirectory();
  fleet = await startFleet({ modules: [organizationModule, directory.module], mode: "siloed" });
  client = cellClient(fleet);
  makeOrganization = createOrganizationMaker(fleet);
});

afterAll(async () => {
  await fleet?.stop();
});

beforeEach(() => {
  directory.received.length = 0;
});

afterEach(async () => {
  directory.onSync = async () => {};
  await database().query("delete from cell.pending_directory_update");
});

const database = () => fleet.cell("us1").database("CELL");
const drain = () => fleet.cell("us1").tasks.runNow(TASK);
const messagesFor = ({ id }: MadeOrganization) => directory.received.filter((message) => message.organizationId === id);
const rename = ({ id }: MadeOrganization, name: string) =>
  client.updateOrganization({ organizationId: id, updateMask: { paths: ["name"] }, name });
const makeDue = () =>
  database().query("update cell.pending_directory_update set retry_at = now() where retry_at < 'infinity'");

async function countPending(organization?: MadeOrganization): Promise<number> {
  const [row] = await database().query(
    "select count(*)::int as count from cell.pending_directory_update where $1::bigint is null or organization_id = $1",
    [organization?.id ?? null],
  );
  return row.count;
}

async function addUser({ id }: MadeOrganization, userId: string, role = MemberRole.MEMBER): Promise<string> {
  const { member } = await client.addOrganizationMember({
    member: { organizationId: id, identity: { case: "userId", value: userId }, role },
  });
  return member?.id ?? "";
}

/** Makes the directory refuse, for one organization or for all. */
function refuse(organization?: MadeOrganization, code = Code.Internal, reason = "BUG"): void {
  directory.onSync = async (request) => {
    if (organization === undefined || organization.id === request.organizationId)
      throw createRpcError(code, reason, "no");
  };
}

/** Holds messages up until it is called. */
function holdUp(): () => void {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  directory.onSync = () => held;
  return release;
}

test("when a call answers, the directory has been told, and no row is left", async () => {
  const organization = await makeOrganization();
  expect(messagesFor(organization)).toHaveLength(1);
  expect(messagesFor(organization)[0]).toMatchObject({
    organization: { slug: organization.slug, status: OrganizationStatus.ACTIVE, version: "1" },
    members: [
      {
        memberId: organization.ownerMemberId,
        userId: organization.ownerUserId,
        role: MemberRole.OWNER,
        version: "1",
        isRemoved: false,
      },
    ],
  });
  await rename(organization, "New");
  expect(messagesFor(organization)[1]).toMatchObject({ organization: { name: "New", version: "2" }, members: [] });
  expect(await countPending()).toBe(0);
});

test("an update of what lists do not show sends nothing", async () => {
  const organization = await makeOrganization();
  await client.updateOrganization({
    organizationId: organization.id,
    updateMask: { paths: ["is_early_adopter"] },
    isEarlyAdopter: true,
  });
  await rename(
    organization,
    (await client.getOrganization({ organizationId: organization.id })).organization?.name ?? "",
  );
  expect(messagesFor(organization)).toHaveLength(1);
});

test("a member is told of when added, changed and accepted, and as removed with a version greater than all before", async () => {
  const organization = await makeOrganization();
  const { member, inviteToken } = await client.addOrganizationMember({
    member: { organizationId: organization.id, identity: { case: "email", value: "bob@example.com" } },
  });
  const key = { organizationId: organization.id, memberId: member?.id ?? "" };
  await client.updateOrganizationMember({ ...key, updateMask: { paths: ["role"] }, role: MemberRole.ADMIN });
  await client.acceptInvite({ ...key, userId: "7", inviteToken });
  await client.removeOrganizationMember(key);
  const states = messagesFor(organization)
    .slice(1)
    .map((message) => message.members[0]);
  expect(states.map((state) => [state?.version, state?.userId, state?.isRemoved])).toEqual([
    ["1", undefined, false],
    ["2", undefined, false],
    ["3", "7", false],
    ["4", undefined, true],
  ]);
});

test("nothing is told of an unconfirmed organization; its confirmation tells all, removals from before included", async () => {
  const organization = await makeOrganization({ confirmed: false });
  const other = await addUser(organization, "7", MemberRole.OWNER);
  await rename(organization, "New");
  await client.removeOrganizationMember({ organizationId: organization.id, memberId: organization.ownerMemberId });
  await drain();
  expect(messagesFor(organization)).toEqual([]);
  await client.confirmOrganizationCreation({ cellName: "us1", organizationId: organization.id });
  const [message, more] = messagesFor(organization);
  expect(more).toBeUndefined();
  expect(message?.organization).toMatchObject({ name: "New", version: "2" });
  const members = message?.members.map((member) => [member.memberId, member.version, member.isRemoved]);
  expect(members).toHaveLength(2);
  expect(members).toEqual(
    expect.arrayContaining([
      [organization.ownerMemberId, "2", true],
      [other, "1", false],
    ]),
  );
  expect(await countPending()).toBe(0);
});

test("a cancelled organization leaves no rows", async () => {
  const organization = await makeOrganization({ confirmed: false });
  await addUser(organization, "7", MemberRole.OWNER);
  await client.removeOrganizationMember({ organizationId: organization.id, memberId: organization.ownerMemberId });
  expect(await countPending(organization)).toBe(1);
  await client.cancelOrganizationCreation({ cellName: "us1", organizationId: organization.id });
  expect(await countPending(organization)).toBe(0);
});

test("a directory that refuses fails no call; what it missed is told later, in one message with the newest state", async () => {
  const organization = await makeOrganization();
  refuse();
  await rename(organization, "One");
  await rename(organization, "Two");
  const memberId = await addUser(organization, "7");
  await client.removeOrganizationMember({ organizationId: organization.id, memberId });
  expect(await countPending(organization)).toBe(4);
  const [row] = await database().query(
    "select attempts, last_error from cell.pending_directory_update order by id limit 1",
  );
  expect(row.attempts).toBeGreaterThanOrEqual(1);
  expect(row.last_error).toBe("Internal");
  directory.onSync = async () => {};
  await makeDue();
  await drain();
  expect(messagesFor(organization).slice(1)).toMatchObject([
    { organization: { name: "Two", version: "3" }, members: [{ memberId, isRemoved: true, version: "2" }] },
  ]);
  expect(await countPending()).toBe(0);
});

test("a refused organization is put off, does not stop the others, and is told with its next change", async () => {
  const bad = await makeOrganization();
  const good = await makeOrganization();
  refuse(bad);
  await rename(bad, "Bad");
  await rename(good, "Good");
  expect(messagesFor(good)).toHaveLength(2);
  directory.onSync = async () => {};
  await drain();
  expect(await countPending(bad)).toBe(1);
  await addUser(bad, "7");
  expect(messagesFor(bad).at(-1)).toMatchObject({ organization: { name: "Bad" }, members: [{ userId: "7" }] });
});

test("a slow directory holds a call up for a second, not longer", async () => {
  const organization = await makeOrganization();
  const release = holdUp();
  const startedAt = performance.now();
  await rename(organization, "Slow");
  const tookMs = performance.now() - startedAt;
  expect(tookMs).toBeGreaterThan(900);
  expect(tookMs).toBeLessThan(2_000);
  release();
  await drain();
  expect(messagesFor(organization).at(-1)).toMatchObject({ organization: { name: "Slow" } });
});

test("a call that has little time left does not spend it on the directory", async () => {
  const organization = await makeOrganization();
  const release = holdUp();
  const request = { organizationId: organization.id, updateMask: { paths: ["name"] }, name: "Hurried" };
  expect((await client.updateOrganization(request, { timeoutMs: 700 })).organization?.name).toBe("Hurried");
  release();
});

test("a change that is committed while an older state is on its way is told too", async () => {
  const organization = await makeOrganization();
  const release = holdUp();
  const first = rename(organization, "One");
  await untilPending(organization, 1);
  const second = rename(organization, "Two");
  await untilPending(organization, 2);
  release();
  await Promise.all([first, second]);
  await drain();
  expect(messagesFor(organization).at(-1)).toMatchObject({ organization: { name: "Two", version: "3" } });
  expect(await countPending()).toBe(0);
});

async function untilPending(organization: MadeOrganization, rows: number): Promise<void> {
  while ((await countPending(organization)) < rows) await new Promise((resolve) => setTimeout(resolve, 5));
}

test("a purge is told as a deletion and nothing else; a directory that has forgotten the organization already is content", async () => {
  const told = await makeOrganization();
  const unknown = await makeOrganization();
  refuse(undefined, Code.PermissionDenied, "ORGANIZATION_NOT_OWNED");
  await rename(unknown, "New");
  expect(await countPending(unknown)).toBe(1);
  await client.deleteOrganization({ organizationId: unknown.id, immediately: true });
  expect(await countPending(unknown)).toBe(0);
  directory.onSync = async () => {};
  await client.deleteOrganization({ organizationId: told.id, immediately: true });
  expect(messagesFor(told).at(-1)).toMatchObject({ organizationDeleted: true, members: [] });
  expect(messagesFor(told).at(-1)?.organization).toBeUndefined();
});

test("a pending deletion is told as a new status", async () => {
  const organization = await makeOrganization();
  await client.deleteOrganization({ organizationId: organization.id });
  expect(messagesFor(organization).at(-1)).toMatchObject({
    organization: { status: OrganizationStatus.PENDING_DELETION, version: "2" },
  });
});

test("many members are told in messages of at most 200, each member once", async () => {
  const organization = await makeOrganization({ confirmed: false });
  await database().query(
    `insert into cell.organization_member (id, organization_id, user_id, role, invite_status, created_at)
     select 900000 + n, $1, n, 'MEMBER', 'ACCEPTED', now() from generate_series(1, 450) n`,
    [organization.id],
  );
  await client.confirmOrganizationCreation({ cellName: "us1", organizationId: organization.id });
  await drain();
  const sizes = messagesFor(organization).map((message) => message.members.length);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(200);
  expect(
    new Set(messagesFor(organization).flatMap((message) => message.members.map((member) => member.memberId))).size,
  ).toBe(451);
  expect(sizes.reduce((sum, size) => sum + size)).toBe(451);
  expect(await countPending()).toBe(0);
});

test("while control is away calls go on; when it is back the directory is told", async () => {
  const organization = await makeOrganization();
  await fleet.stopSilo("control");
  await rename(organization, "Alone");
  expect(await countPending(organization)).toBe(1);
  await fleet.restart("control");
  for (let tries = 0; tries < 100 && (await countPending(organization)) > 0; tries += 1) {
    await drain();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(messagesFor(organization).at(-1)).toMatchObject({ organization: { name: "Alone" } });
});
