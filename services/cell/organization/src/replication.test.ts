import { InviteStatus, MemberRole, OrganizationStatus } from "@cellway/gen/cellway/organization/v1/types";
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
  until,
} from "./test-support.js";

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
  directory.onMessage = async () => {};
  await untilTold();
});

const database = () => fleet.cell("us1").database("CELL");
const rename = ({ id }: MadeOrganization, name: string) =>
  client.updateOrganization({ organizationId: id, updateMask: { paths: ["name"] }, name });

/** What the directory was told of an organization since the test began, or of one kind of its objects. */
const toldOf = ({ id }: MadeOrganization, kind?: string) =>
  directory.received.filter((told) => told.organizationId === id && (kind === undefined || told.kind === kind));

async function countWaiting(organization?: MadeOrganization): Promise<number> {
  const [row] = await database().query(
    `select count(*)::int as count
     from (select scope, shard_id from cell.outbox union all select scope, shard_id from cell.outbox_held) o
     where scope = 1 and ($1::bigint is null or shard_id = $1)`,
    [organization?.id ?? null],
  );
  return row.count;
}

const untilTold = () => until("everything is told", async () => (await countWaiting()) === 0);

async function addUser({ id }: MadeOrganization, userId: string, role = MemberRole.MEMBER): Promise<string> {
  const { member } = await client.addOrganizationMember({
    member: { organizationId: id, identity: { case: "userId", value: userId }, role },
  });
  return member?.id ?? "";
}

/** Makes the directory refuse, for one organization or for all. */
function refuse(organization?: MadeOrganization): void {
  directory.onMessage = async ({ organizationId }) => {
    if (organization === undefined || organization.id === organizationId)
      throw createRpcError(Code.Internal, "BUG", "no");
  };
}

/** Holds messages up until it is called. */
function holdUp(): () => void {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  directory.onMessage = () => held;
  return release;
}

test("when a call answers, the directory has been told, and nothing waits", async () => {
  const organization = await makeOrganization();
  expect(toldOf(organization, "organization").at(-1)?.state).toMatchObject({ status: OrganizationStatus.ACTIVE });
  expect(toldOf(organization, "member").at(-1)).toMatchObject({
    objectId: organization.ownerMemberId,
    state: { userId: organization.ownerUserId, role: MemberRole.OWNER, inviteStatus: InviteStatus.ACCEPTED },
  });
  await rename(organization, "New");
  expect(toldOf(organization).at(-1)).toMatchObject({ kind: "organization", state: { name: "New" } });
  expect(await countWaiting(organization)).toBe(0);
});

test("a member is told of when added, changed and accepted, and as gone, each with a greater version", async () => {
  const organization = await makeOrganization();
  directory.received.length = 0;
  const { member, inviteToken } = await client.addOrganizationMember({
    member: { organizationId: organization.id, identity: { case: "email", value: "bob@example.com" } },
  });
  const key = { organizationId: organization.id, memberId: member?.id ?? "" };
  await client.updateOrganizationMember({ ...key, updateMask: { paths: ["role"] }, role: MemberRole.ADMIN });
  await client.acceptInvite({ ...key, userId: "7", inviteToken });
  await client.removeOrganizationMember(key);
  const told = toldOf(organization);
  expect(told.map(({ objectId, state }) => [objectId, state])).toEqual([
    [key.memberId, expect.objectContaining({ role: MemberRole.MEMBER, inviteStatus: InviteStatus.PENDING })],
    [key.memberId, expect.objectContaining({ role: MemberRole.ADMIN })],
    [key.memberId, expect.objectContaining({ userId: "7", inviteStatus: InviteStatus.ACCEPTED })],
    [key.memberId, undefined],
  ]);
  for (const [i, { version }] of told.slice(1).entries()) expect(version).toBeGreaterThan(told[i]?.version ?? 0n);
});

test("nothing is told of an unconfirmed organization; its confirmation tells all, also that its first owner has gone", async () => {
  const organization = await makeOrganization({ confirmed: false });
  const other = await addUser(organization, "7", MemberRole.OWNER);
  await rename(organization, "New");
  await untilTold();
  expect(toldOf(organization)).toEqual([]);
  await client.removeOrganizationMember({ organizationId: organization.id, memberId: organization.ownerMemberId });
  directory.received.length = 0;
  await client.confirmOrganizationCreation({ cellName: "us1", organizationId: organization.id });
  expect(toldOf(organization, "organization")).toMatchObject([{ state: { name: "New", version: "2" } }]);
  expect(new Map(toldOf(organization, "member").map(({ objectId, state }) => [objectId, state]))).toEqual(
    new Map([
      [organization.ownerMemberId, undefined],
      [other, expect.objectContaining({ userId: "7", role: MemberRole.OWNER })],
    ]),
  );
});

test("a cancelled organization was never more than gone", async () => {
  const organization = await makeOrganization({ confirmed: false });
  await addUser(organization, "7", MemberRole.OWNER);
  await client.cancelOrganizationCreation({ cellName: "us1", organizationId: organization.id });
  await untilTold();
  expect(toldOf(organization).map(({ state }) => state)).toEqual(toldOf(organization).map(() => undefined));
});

test("a directory that refuses fails no call; what it missed is told later, as the newest state", async () => {
  const organization = await makeOrganization();
  directory.received.length = 0;
  refuse();
  await rename(organization, "One");
  await rename(organization, "Two");
  const memberId = await addUser(organization, "7");
  await client.removeOrganizationMember({ organizationId: organization.id, memberId });
  expect(await countWaiting(organization)).toBe(4);
  expect(directory.received).toEqual([]);
  const [stream] = await database().query(
    "select state, error from cell.outbox_stream where scope = 1 and shard_id = $1",
    [organization.id],
  );
  expect(stream).toEqual({ state: "BACKING_OFF", error: "Internal: BUG" });
  directory.onMessage = async () => {};
  await untilTold();
  expect(toldOf(organization)).toMatchObject([
    { kind: "organization", state: { name: "Two", version: "3" } },
    { kind: "member", objectId: memberId, state: undefined },
  ]);
});

test("a refused organization does not stop the others", async () => {
  const bad = await makeOrganization();
  const good = await makeOrganization();
  directory.received.length = 0;
  refuse(bad);
  await rename(bad, "Bad");
  await rename(good, "Good");
  expect(toldOf(good)).toMatchObject([{ state: { name: "Good" } }]);
  directory.onMessage = async () => {};
  await untilTold();
  expect(toldOf(bad)).toMatchObject([{ state: { name: "Bad" } }]);
});

test("a slow directory holds a call up for a second, not longer", async () => {
  const organization = await makeOrganization();
  const release = holdUp();
  const startedAt = performance.now();
  await rename(organization, "Slow");
  const tookMs = performance.now() - startedAt;
  expect(tookMs).toBeLessThan(2_000);
  release();
  await untilTold();
  expect(toldOf(organization).at(-1)).toMatchObject({ state: { name: "Slow" } });
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
  await until("the first waits", async () => (await countWaiting(organization)) === 1);
  const second = rename(organization, "Two");
  await until("the second waits", async () => (await countWaiting(organization)) === 2);
  release();
  await Promise.all([first, second]);
  await untilTold();
  expect(toldOf(organization).at(-1)).toMatchObject({ state: { name: "Two", version: "3" } });
});

test("a purge tells that the organization is gone, and all that is in it", async () => {
  const organization = await makeOrganization();
  directory.received.length = 0;
  await client.deleteOrganization({ organizationId: organization.id, immediately: true });
  expect(toldOf(organization).map(({ kind, state }) => [kind, state])).toEqual(
    ["organization", "member", "team"].map((kind) => [kind, undefined]),
  );
});

test("a pending deletion is told as a new status", async () => {
  const organization = await makeOrganization();
  await client.deleteOrganization({ organizationId: organization.id });
  expect(toldOf(organization).at(-1)).toMatchObject({
    state: { status: OrganizationStatus.PENDING_DELETION, version: "2" },
  });
});

test("many members are told, each once", async () => {
  const organization = await makeOrganization({ confirmed: false });
  await database().query(
    `insert into cell.organization_member (id, organization_id, user_id, role, invite_status, created_at)
     select 900000 + n, $1, n, 'MEMBER', 'ACCEPTED', now() from generate_series(1, 450) n`,
    [organization.id],
  );
  await untilTold();
  await client.confirmOrganizationCreation({ cellName: "us1", organizationId: organization.id });
  await untilTold();
  const members = toldOf(organization, "member").map(({ objectId }) => objectId);
  expect([members.length, new Set(members).size]).toEqual([451, 451]);
});

test("a change by SQL is told like any other", async () => {
  const organization = await makeOrganization();
  await database().query("update cell.organization set name = 'By hand' where id = $1", [organization.id]);
  await untilTold();
  expect(toldOf(organization).at(-1)).toMatchObject({ kind: "organization", state: { name: "By hand" } });
});

test("while control is away calls go on; when it is back the directory is told", async () => {
  const organization = await makeOrganization();
  await fleet.stopSilo("control");
  await rename(organization, "Alone");
  expect(await countWaiting(organization)).toBe(1);
  await fleet.restart("control");
  await untilTold();
  expect(toldOf(organization).at(-1)).toMatchObject({ state: { name: "Alone" } });
});
