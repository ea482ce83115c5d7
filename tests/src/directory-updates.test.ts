import { fromBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { DirectoryService, SyncOrganizationRequestSchema } from "@cellway/gen/cellway/directory/v1/directory";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { InviteStatus, MemberRole, OrganizationStatus } from "@cellway/gen/cellway/organization/v1/types";
import { UserService } from "@cellway/gen/cellway/user/v1/user";
import { reasonOf } from "@cellway/rpc";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { loseReplies } from "./lost-replies.js";
import { MODULES } from "./modules.js";
import {
  addMember,
  countPendingUpdates,
  createOrganization,
  createUser,
  type TestOrganization,
  untilDelivered,
} from "./organizations.js";

const DAY_MS = 86_400_000;

let fleet: Fleet;
let aheadMs = 0;

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES, now: () => Date.now() + aheadMs });
});
afterAll(() => fleet.stop());
afterEach(() => {
  if (fleet.memory !== undefined) fleet.memory.onRequest = undefined;
});

/** The service in the cell itself, which is there also when control is not. */
const inCell = () => fleet.cell("de1").rpc.client(OrganizationService);
/** The directory as the cell talks to it. */
const sync = (request: Parameters<ReturnType<typeof directory>["syncOrganization"]>[0]) =>
  fleet.cell("de1").rpc.client(DirectoryService).syncOrganization(request);
const directory = () => fleet.client(DirectoryService);
const create = async () => createOrganization(fleet, { cellName: "de1", ownerUserId: await createUser(fleet) });

async function mappingOf(organization: TestOrganization) {
  const { mapping } = await directory().getOrganizationMapping({
    organization: { case: "organizationId", value: organization.id },
  });
  return mapping;
}

/** What a user's list shows of the organization; undefined when it does not show it. */
async function shownTo(userId: string, organization: TestOrganization) {
  const { organizations } = await fleet.client(UserService).listUserOrganizations({ userId });
  return organizations.find((entry) => entry.organizationId === organization.id);
}

const rename = (organization: TestOrganization, name: string) =>
  inCell().updateOrganization({ organizationId: organization.id, name, updateMask: { paths: ["name"] } });

const setRole = (organization: TestOrganization, memberId: string, role: MemberRole) =>
  inCell().updateOrganizationMember({
    organizationId: organization.id,
    memberId,
    role,
    updateMask: { paths: ["role"] },
  });

/** What control is told of the organization: name and version of each state. */
async function stateOf(organization: TestOrganization, overrides: { name: string; version: string }) {
  const { organization: row } = await inCell().getOrganization({ organizationId: organization.id });
  const status = row?.status ?? OrganizationStatus.ACTIVE;
  return { slug: organization.slug, status, createdAt: timestampFromMs(Date.now()), ...overrides };
}

const loseSyncReplies = (times: number) => loseReplies(fleet, times, (url) => url.endsWith("/SyncOrganization"));

test("a new name is in the directory", async () => {
  const organization = await create();
  await rename(organization, "Renamed");
  await untilDelivered(fleet);
  expect(await mappingOf(organization)).toMatchObject({ name: "Renamed", slug: organization.slug });
});

test("an invitation is in nobody's list until a user accepts it; then a new role is, then its removal", async () => {
  const organization = await create();
  const organizationId = organization.id;
  const userId = await createUser(fleet);
  const invited = await inCell().addOrganizationMember({
    member: { organizationId, identity: { case: "email", value: "guest@example.com" }, role: MemberRole.MEMBER },
  });
  const memberId = invited.member?.id ?? "";
  await untilDelivered(fleet);
  expect(await shownTo(userId, organization)).toBeUndefined();

  await inCell().acceptInvite({ organizationId, memberId, userId, inviteToken: invited.inviteToken });
  await untilDelivered(fleet);
  expect(await shownTo(userId, organization)).toMatchObject({ role: MemberRole.MEMBER });

  await setRole(organization, memberId, MemberRole.ADMIN);
  await untilDelivered(fleet);
  expect(await shownTo(userId, organization)).toMatchObject({ role: MemberRole.ADMIN });

  await inCell().removeOrganizationMember({ organizationId, memberId });
  await untilDelivered(fleet);
  expect(await shownTo(userId, organization)).toBeUndefined();
});

test("a pending deletion is in the lists of the members", async () => {
  const organization = await create();
  const userId = await createUser(fleet);
  await addMember(fleet, organization, userId);
  await inCell().deleteOrganization({ organizationId: organization.id });
  await untilDelivered(fleet);
  expect(await mappingOf(organization)).toMatchObject({ status: OrganizationStatus.PENDING_DELETION });
  expect(await shownTo(userId, organization)).toMatchObject({ status: OrganizationStatus.PENDING_DELETION });
});

test("an organization whose time has come is purged: slug and mapping are free, and its lists are empty", async () => {
  const organization = await create();
  const userId = await createUser(fleet);
  await addMember(fleet, organization, userId);
  await inCell().deleteOrganization({ organizationId: organization.id });
  await fleet.cell("de1").tasks.runNow("organization.purge-deleted");
  await untilDelivered(fleet);
  expect(await mappingOf(organization)).toBeDefined();

  aheadMs += 31 * DAY_MS;
  await fleet.cell("de1").tasks.runNow("organization.purge-deleted");
  await untilDelivered(fleet);
  expect(await mappingOf(organization)).toBeUndefined();
  expect(await shownTo(userId, organization)).toBeUndefined();
  expect((await inCell().getOrganization({ organizationId: organization.id })).organization).toBeUndefined();

  // Another may have the slug, in another cell, and is out of the old cell's reach.
  const successor = await createOrganization(fleet, { cellName: "us2", ownerUserId: userId, slug: organization.slug });
  await sync({ organizationId: organization.id, organizationDeleted: true }).catch((error: unknown) => {
    // Refused, once control no longer remembers whose it was.
    expect(reasonOf(error)).toBe("ORGANIZATION_NOT_OWNED");
  });
  expect(await mappingOf(successor)).toMatchObject({ slug: organization.slug, cellName: "us2" });
  const found = await fleet.client(OrganizationService).getOrganizationBySlug({ slug: organization.slug });
  expect(found.organization?.id).toBe(successor.id);
});

test("with control stopped nothing in the cell fails, and everything arrives when it is back", async () => {
  const organization = await create();
  const doomed = await create();
  const organizationId = organization.id;
  const [joining, leaving] = [await createUser(fleet), await createUser(fleet)];
  const leavingId = await addMember(fleet, organization, leaving);
  await untilDelivered(fleet);
  await fleet.stopSilo("control");
  await rename(organization, "Renamed alone");
  const joined = await inCell().addOrganizationMember({
    member: { organizationId, identity: { case: "userId", value: joining }, role: MemberRole.MEMBER },
  });
  await setRole(organization, joined.member?.id ?? "", MemberRole.MANAGER);
  await inCell().removeOrganizationMember({ organizationId, memberId: leavingId });
  await inCell().deleteOrganization({ organizationId });
  await inCell().deleteOrganization({ organizationId: doomed.id, immediately: true });
  // The task fails for nobody either.
  await fleet.cell("de1").tasks.runNow("organization.drain-directory-updates");
  expect(await countPendingUpdates(fleet, "de1")).toBeGreaterThan(0);

  await fleet.restart("control");
  await untilDelivered(fleet);
  expect(await mappingOf(organization)).toMatchObject({
    name: "Renamed alone",
    status: OrganizationStatus.PENDING_DELETION,
  });
  expect(await shownTo(joining, organization)).toMatchObject({ role: MemberRole.MANAGER });
  expect(await shownTo(leaving, organization)).toBeUndefined();
  expect(await mappingOf(doomed)).toBeUndefined();
});

test("what a cell could not tell survives that it is stopped too", async () => {
  const organization = await create();
  await untilDelivered(fleet);
  await fleet.stopSilo("control");
  await rename(organization, "Kept");
  await fleet.stopSilo("de1");
  await fleet.restart("control");
  await fleet.restart("de1");
  await untilDelivered(fleet);
  expect((await mappingOf(organization))?.name).toBe("Kept");
});

test("while an operator has switched the messages off they are kept; afterwards they arrive", async () => {
  const organization = await create();
  await untilDelivered(fleet);
  fleet.control.methodSwitch.replace(["directory.SyncOrganization"]);
  await rename(organization, "Switched off");
  expect(await countPendingUpdates(fleet, "de1")).toBe(1);
  fleet.control.methodSwitch.replace([]);
  await untilDelivered(fleet);
  expect((await mappingOf(organization))?.name).toBe("Switched off");
});

test("twenty changes at once leave the directory with what the cell has", async () => {
  const organization = await create();
  const userId = await createUser(fleet);
  const memberId = await addMember(fleet, organization, userId);
  const roles = [MemberRole.MEMBER, MemberRole.ADMIN, MemberRole.MANAGER, MemberRole.BILLING];
  await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      n % 2 === 0 ? rename(organization, `Name ${n}`) : setRole(organization, memberId, roles[n % 4] ?? roles[0] ?? 1),
    ),
  );
  await untilDelivered(fleet);
  const inside = await inCell().getOrganization({ organizationId: organization.id, userId });
  expect((await mappingOf(organization))?.name).toBe(inside.organization?.name);
  expect((await shownTo(userId, organization))?.role).toBe(inside.membership?.role);
});

test("states that come twice and in any order leave the newest", async () => {
  const organization = await create();
  const { organization: row } = await inCell().getOrganization({ organizationId: organization.id });
  const first = Number(row?.version ?? 0);
  for (const step of [3, 1, 5, 2, 5, 4, 1]) {
    const version = String(first + step);
    await sync({
      organizationId: organization.id,
      organization: await stateOf(organization, { name: `v${step}`, version }),
    });
  }
  // The version that was taken over first stands, also against another content of the same version.
  await sync({
    organizationId: organization.id,
    organization: await stateOf(organization, { name: "another", version: String(first + 5) }),
  });
  expect((await mappingOf(organization))?.name).toBe("v5");
});

test("an older state of a member neither takes a role back nor brings a removed member back", async () => {
  const organization = await create();
  const userId = await createUser(fleet);
  const memberId = await addMember(fleet, organization, userId);
  await untilDelivered(fleet);
  const state = (role: MemberRole, version: string) => ({
    organizationId: organization.id,
    members: [{ memberId, userId, role, inviteStatus: InviteStatus.ACCEPTED, version }],
  });
  await sync(state(MemberRole.MANAGER, "50"));
  await sync(state(MemberRole.MEMBER, "49"));
  expect(await shownTo(userId, organization)).toMatchObject({ role: MemberRole.MANAGER });
  await sync({ organizationId: organization.id, members: [{ memberId, version: "60", isRemoved: true }] });
  await sync(state(MemberRole.OWNER, "59"));
  await sync(state(MemberRole.OWNER, "60"));
  expect(await shownTo(userId, organization)).toBeUndefined();
});

test("a message whose reply is lost is delivered again under another signature, and nothing is different", async () => {
  const organization = await create();
  await untilDelivered(fleet);
  const seen = loseSyncReplies(1);
  await rename(organization, "Told twice");
  await untilDelivered(fleet);
  expect((await mappingOf(organization))?.name).toBe("Told twice");
  expect(seen).toHaveLength(2);
  const [lost, repeated] = seen.map(({ body }) => fromBinary(SyncOrganizationRequestSchema, body));
  expect(repeated).toEqual(lost);
  expect(new Set(seen.map(({ header }) => header.get("authorization"))).size).toBe(2);
  // As it was on the wire it is worth nothing to anybody else.
  const [stolen] = seen;
  expect((stolen === undefined ? undefined : await fleet.memory?.deliver(stolen))?.status).toBe(401);
});

test("a purge whose replies are all lost is told again until the cell knows that control has forgotten", async () => {
  const organization = await create();
  await untilDelivered(fleet);
  const seen = loseSyncReplies(3);
  await inCell().deleteOrganization({ organizationId: organization.id, immediately: true });
  expect(await mappingOf(organization)).toBeUndefined();
  await untilDelivered(fleet);
  expect(seen.length).toBeGreaterThan(3);
  expect(await mappingOf(organization)).toBeUndefined();
});

test("a slug that the directory did not reserve for the organization is refused, and nothing of the message counts", async () => {
  const organization = await create();
  const other = await create();
  const userId = await createUser(fleet);
  const organizationState = await stateOf(organization, { name: "Thief", version: "900" });
  const members = [
    { memberId: "99", userId, role: MemberRole.OWNER, inviteStatus: InviteStatus.ACCEPTED, version: "1" },
  ];
  const request = {
    organizationId: organization.id,
    organization: { ...organizationState, slug: other.slug },
    members,
  };
  await expect(sync(request)).rejects.toThrow(other.slug);
  expect((await mappingOf(organization))?.slug).toBe(organization.slug);
  expect(await shownTo(userId, organization)).toBeUndefined();
});
