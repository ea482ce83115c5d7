import { MemberRole } from "@cellway/gen/cellway/organization/v1/types";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { organizationModule } from "./index.js";
import { MEMBERSHIP_BATCH_MAX } from "./store/user-memberships.js";
import {
  cellClient,
  createFakeDirectory,
  createOrganizationMaker,
  type FakeDirectory,
  newOrganizationId,
  outcomeOf,
  until,
} from "./test-support.js";

const { BILLING, MEMBER, MANAGER, OWNER } = MemberRole;
const cellName = "us1";

let fleet: Fleet;
let directory: FakeDirectory;
let client: ReturnType<typeof cellClient>;
let makeOrganization: ReturnType<typeof createOrganizationMaker>;
let users = 0;
let from: string;
let to: string;

beforeAll(async () => {
  directory = createFakeDirectory();
  fleet = await startFleet({ modules: [organizationModule, directory.module] });
  client = cellClient(fleet);
  makeOrganization = createOrganizationMaker(fleet);
}, 60_000);

afterAll(async () => {
  await fleet?.stop();
});

beforeEach(() => {
  from = String((users += 1));
  to = String((users += 1));
});

async function makeOrganizations(count: number, options: Parameters<typeof makeOrganization>[0] = {}) {
  const made: Awaited<ReturnType<typeof makeOrganization>>[] = [];
  for (let i = 0; i < count; i += 1) made.push(await makeOrganization(options));
  return made;
}

async function addUser(organizationId: string, userId: string, role = MEMBER, teamIds: string[] = []): Promise<string> {
  const { member } = await client.addOrganizationMember({
    member: { organizationId, identity: { case: "userId", value: userId }, role, teamIds },
  });
  return member?.id ?? "";
}

async function createTeam(organizationId: string, slug: string): Promise<string> {
  return (await client.createTeam({ organizationId, slug, name: slug })).team?.id ?? "";
}

async function memberOf(organizationId: string, userId: string) {
  return (await client.getOrganizationMember({ organizationId, by: { case: "userId", value: userId } })).member;
}

/** What the directory was last told of each member; undefined for one that is gone. */
function toldOf(organizationId: string) {
  const told = directory.received.filter((one) => one.organizationId === organizationId && one.kind === "member");
  return new Map(told.map(({ objectId, state }) => [objectId, state]));
}

test("a membership moves whole: the same member with its role and teams, of the other user", async () => {
  const { id } = await makeOrganization();
  const teamId = await createTeam(id, "core");
  const memberId = await addUser(id, from, MANAGER, [teamId]);
  expect(await client.mergeUsers({ cellName, fromUserId: from, toUserId: to })).toMatchObject({
    movedMemberCount: 1,
    mergedMemberCount: 0,
  });
  expect(await memberOf(id, from)).toBeUndefined();
  expect(await memberOf(id, to)).toMatchObject({ id: memberId, role: MANAGER, teamIds: [teamId], version: "2" });
  expect(toldOf(id).get(memberId)).toMatchObject({ userId: to, role: MANAGER, version: "2" });
});

test.each([
  [MANAGER, MEMBER, MANAGER],
  [BILLING, MEMBER, MEMBER],
  [OWNER, MANAGER, OWNER],
  [MEMBER, MEMBER, MEMBER],
])("where both are members, roles %i and %i become %i, with the teams of both", async (fromRole, toRole, role) => {
  const { id } = await makeOrganization();
  const [one, two, three] = [await createTeam(id, "one"), await createTeam(id, "two"), await createTeam(id, "three")];
  const fromId = await addUser(id, from, fromRole, [one, two]);
  const toId = await addUser(id, to, toRole, [two, three]);
  expect(await client.mergeUsers({ cellName, fromUserId: from, toUserId: to })).toMatchObject({
    movedMemberCount: 0,
    mergedMemberCount: 1,
  });
  expect(await memberOf(id, from)).toBeUndefined();
  expect(await memberOf(id, to)).toMatchObject({ id: toId, role, teamIds: [one, two, three] });
  expect(toldOf(id)).toEqual(
    new Map<string, unknown>([
      ...toldOf(id),
      [fromId, undefined],
      [toId, expect.objectContaining({ userId: to, role })],
    ]),
  );
});

test("an owner that becomes one with a member is still an owner: the organization keeps one", async () => {
  const { id } = await makeOrganization({ ownerUserId: from });
  await addUser(id, to, BILLING);
  await client.mergeUsers({ cellName, fromUserId: from, toUserId: to });
  expect(
    (await client.listOrganizationMembers({ organizationId: id, role: OWNER })).members.map((member) => member.userId),
  ).toEqual([to]);
});

test("again, a merge finds nothing to do and tells the directory nothing", async () => {
  const { id } = await makeOrganization();
  await addUser(id, from);
  const request = { cellName, fromUserId: from, toUserId: to };
  await client.mergeUsers(request);
  const told = directory.received.length;
  expect(await client.mergeUsers(request)).toMatchObject({ movedMemberCount: 0, mergedMemberCount: 0 });
  expect(directory.received).toHaveLength(told);
});

test("a user is not merged with itself, nor in a cell that is not this one", async () => {
  expect(await outcomeOf(client.mergeUsers({ cellName, fromUserId: from, toUserId: from }))).toBe(
    "InvalidArgument INVALID_FIELD",
  );
  for (const call of [
    client.mergeUsers({ cellName: "mars", fromUserId: from, toUserId: to }),
    client.removeUser({ cellName: "mars", userId: from }),
  ]) {
    expect(await outcomeOf(call)).toMatch(/CELL_NOT_FOUND|WRONG_CELL/);
  }
});

test("more organizations than one batch holds are merged, then left, to the last", async () => {
  const count = MEMBERSHIP_BATCH_MAX + 5;
  const ids = (await makeOrganizations(count, { ownerUserId: from, confirmed: false })).map((made) => made.id);
  expect(await client.mergeUsers({ cellName, fromUserId: from, toUserId: to })).toMatchObject({
    movedMemberCount: count,
  });
  expect(await client.removeUser({ cellName, userId: to })).toMatchObject({
    removedMemberCount: 0,
    blockedOrganizationIds: ids.toSorted((one, other) => Number(BigInt(one) - BigInt(other))).slice(0, 200),
  });
  expect(await client.removeUser({ cellName, userId: to, force: true })).toMatchObject({ removedMemberCount: count });
});

test("merged in both directions at once, one of the two is left in each organization, with the greater role", async () => {
  for (let round = 0; round < 5; round += 1) {
    const made = await makeOrganizations(6);
    for (const { id } of made) await Promise.all([addUser(id, from), addUser(id, to, MANAGER)]);
    const calls = [
      client.mergeUsers({ cellName, fromUserId: from, toUserId: to }),
      client.mergeUsers({ cellName, fromUserId: to, toUserId: from }),
      client.mergeUsers({ cellName, fromUserId: from, toUserId: to }),
    ];
    expect(await Promise.all(calls.map(outcomeOf))).toEqual([undefined, undefined, undefined]);
    for (const { id } of made) {
      const { members } = await client.listOrganizationMembers({ organizationId: id });
      const left = members.filter((member) => member.userId === from || member.userId === to);
      expect(left.map((member) => member.role)).toEqual([MANAGER]);
    }
    await Promise.all([from, to].map((userId) => client.removeUser({ cellName, userId, force: true })));
  }
});

test("a team that is joined during a merge is not lost", async () => {
  for (let round = 0; round < 8; round += 1) {
    const { id } = await makeOrganization();
    const teamId = await createTeam(id, "core");
    const memberId = await addUser(id, from);
    await addUser(id, to);
    const [added] = await Promise.all([
      client.addTeamMember({ organizationId: id, teamId, memberId }).then(
        () => true,
        () => false,
      ),
      client.mergeUsers({ cellName, fromUserId: from, toUserId: to }),
    ]);
    expect((await memberOf(id, to))?.teamIds).toEqual(added ? [teamId] : []);
  }
});

test("a user is removed from all organizations of the cell and their teams, once, and the directory is told", async () => {
  const made = await makeOrganizations(2);
  const memberIds: string[] = [];
  for (const { id } of made) memberIds.push(await addUser(id, from, OWNER, [await createTeam(id, "core")]));
  expect(await client.removeUser({ cellName, userId: from })).toMatchObject({
    removedMemberCount: 2,
    blockedOrganizationIds: [],
  });
  for (const [i, { id }] of made.entries()) {
    expect(await memberOf(id, from)).toBeUndefined();
    expect((await client.listTeams({ organizationId: id })).teams.map((team) => team.memberCount)).toEqual([1, 0]);
    expect([...toldOf(id)]).toContainEqual([memberIds[i], undefined]);
  }
  expect(await client.removeUser({ cellName, userId: from })).toMatchObject({
    removedMemberCount: 0,
    blockedOrganizationIds: [],
  });
});

test("the last owner of one organization stays in all, unless forced; an invited owner does not count", async () => {
  const other = await makeOrganization();
  const owned = await makeOrganization({ ownerUserId: from });
  await addUser(other.id, from);
  await client.addOrganizationMember({
    member: { organizationId: owned.id, identity: { case: "email", value: "bob@example.com" }, role: OWNER },
  });
  const told = directory.received.length;
  expect(await client.removeUser({ cellName, userId: from })).toMatchObject({
    removedMemberCount: 0,
    blockedOrganizationIds: [owned.id],
  });
  expect(await memberOf(other.id, from)).toMatchObject({ role: MEMBER, version: "1" });
  expect(await memberOf(owned.id, from)).toMatchObject({ role: OWNER, version: "1" });
  expect(directory.received).toHaveLength(told);
  expect(await client.removeUser({ cellName, userId: from, force: true })).toMatchObject({
    removedMemberCount: 2,
    blockedOrganizationIds: [],
  });
  expect(await memberOf(owned.id, from)).toBeUndefined();
});

test("of the two owners of several organizations that are removed at once, one stays in all and the other goes", async () => {
  for (let round = 0; round < 5; round += 1) {
    const made = await makeOrganizations(4, { ownerUserId: from });
    for (const { id } of made) await addUser(id, to, OWNER);
    const answers = await Promise.all([from, to].map((userId) => client.removeUser({ cellName, userId })));
    expect(new Set(answers.map((answer) => answer.removedMemberCount))).toEqual(new Set([0, 4]));
    expect(new Set(answers.map((answer) => answer.blockedOrganizationIds.length))).toEqual(new Set([0, 4]));
    await Promise.all([from, to].map((userId) => client.removeUser({ cellName, userId, force: true })));
  }
});

test("what a merge and a removal change is kept for the directory while control is away", async () => {
  const { id } = await makeOrganization();
  const memberId = await addUser(id, from);
  directory.received.length = 0;
  await fleet.stopSilo("control");
  await client.mergeUsers({ cellName, fromUserId: from, toUserId: to });
  await client.removeUser({ cellName, userId: to });
  const sql = `select object_id from cell.outbox where scope = 1 and shard_id = $1 union all
    select object_id from cell.outbox_held where scope = 1 and shard_id = $1`;
  const rows = await fleet.cell(cellName).database("CELL").query(sql, [id]);
  expect(rows).toEqual([{ object_id: memberId }, { object_id: memberId }]);
  await fleet.restart("control");
  await until("the directory knows", () => directory.received.length > 0);
  expect(directory.received).toMatchObject([{ kind: "member", objectId: memberId, state: undefined }]);
});

test("in a monolith, where cells share a database, only the named cell's organizations are touched", async () => {
  const monolith = await startFleet({
    modules: [organizationModule, createFakeDirectory().module],
    mode: "monolith",
  });
  try {
    const everything = cellClient(monolith);
    const inUs1 = await createOrganizationMaker(monolith, "us1")({ ownerUserId: from });
    const organizationId = await newOrganizationId(monolith, "de1");
    await everything.createOrganization({
      cellName: "de1",
      organizationId,
      slug: "de",
      name: "De",
      ownerUserId: from,
      ownerEmail: "de@example.com",
    });
    const userOf = async (id: string) =>
      (await everything.listOrganizationMembers({ organizationId: id })).members.map((member) => member.userId);
    expect(await everything.mergeUsers({ cellName: "us1", fromUserId: from, toUserId: to })).toMatchObject({
      movedMemberCount: 1,
    });
    expect([await userOf(inUs1.id), await userOf(organizationId)]).toEqual([[to], [from]]);
    expect(await everything.removeUser({ cellName: "us1", userId: from, force: true })).toMatchObject({
      removedMemberCount: 0,
    });
    expect(await everything.removeUser({ cellName: "de1", userId: from, force: true })).toMatchObject({
      removedMemberCount: 1,
    });
  } finally {
    await monolith.stop();
  }
});

test("a merge that is cut short leaves each organization before or after it, and the next one does the rest", async () => {
  const made = await makeOrganizations(20, { ownerUserId: from });
  const request = { cellName, fromUserId: from, toUserId: to };
  await client.mergeUsers(request, { timeoutMs: 30 }).catch(() => undefined);
  await client.mergeUsers(request);
  for (const { id, ownerMemberId } of made) {
    expect(await memberOf(id, to)).toMatchObject({ id: ownerMemberId, role: OWNER, version: "2" });
  }
});
