import { fromBinary } from "@bufbuild/protobuf";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { MemberRole, OrganizationStatus } from "@cellway/gen/cellway/organization/v1/types";
import { DeliverToControlRequestSchema } from "@cellway/gen/cellway/outbox/v1/outbox";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { loseReplies } from "./lost-replies.js";
import { MODULES } from "./modules.js";
import {
  addMember,
  countPendingUpdates,
  createOrganization,
  createUser,
  findMapping,
  findShown,
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
  fleet.control.methodSwitch.replace([]);
  if (fleet.memory !== undefined) fleet.memory.onRequest = undefined;
});

/** The service in the cell itself, which is there also when control is not. */
const inCell = () => fleet.cell("de1").rpc.client(OrganizationService);
const createNew = async () => createOrganization(fleet, { cellName: "de1", ownerUserId: await createUser(fleet) });

const mappingOf = (organization: TestOrganization) => findMapping(fleet, organization);
const shownTo = (userId: string, organization: TestOrganization) => findShown(fleet, userId, organization);

const rename = (organization: TestOrganization, name: string) =>
  inCell().updateOrganization({ organizationId: organization.id, name, updateMask: { paths: ["name"] } });

const setRole = (organization: TestOrganization, memberId: string, role: MemberRole) =>
  inCell().updateOrganizationMember({
    organizationId: organization.id,
    memberId,
    role,
    updateMask: { paths: ["role"] },
  });

const loseDeliveryReplies = (times: number) => loseReplies(fleet, times, (url) => url.endsWith("/DeliverToControl"));

test("a new name is in the directory", async () => {
  const organization = await createNew();
  await rename(organization, "Renamed");
  await untilDelivered(fleet);
  expect(await mappingOf(organization)).toMatchObject({ name: "Renamed", slug: organization.slug });
});

test("an invitation is in nobody's list until a user accepts it; then a new role is, then its removal", async () => {
  const organization = await createNew();
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
  const organization = await createNew();
  const userId = await createUser(fleet);
  await addMember(fleet, organization, userId);
  await inCell().deleteOrganization({ organizationId: organization.id });
  await untilDelivered(fleet);
  expect(await mappingOf(organization)).toMatchObject({ status: OrganizationStatus.PENDING_DELETION });
  expect(await shownTo(userId, organization)).toMatchObject({ status: OrganizationStatus.PENDING_DELETION });
});

test("an organization whose time has come is purged: slug and mapping are free, and its lists are empty", async () => {
  const organization = await createNew();
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
  expect(await mappingOf(successor)).toMatchObject({ slug: organization.slug, cellName: "us2" });
  const found = await fleet.client(OrganizationService).getOrganizationBySlug({ slug: organization.slug });
  expect(found.organization?.id).toBe(successor.id);
});

test("with control stopped nothing in the cell fails, and everything arrives when it is back", async () => {
  const organization = await createNew();
  const doomed = await createNew();
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
  const organization = await createNew();
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
  const organization = await createNew();
  await untilDelivered(fleet);
  fleet.control.methodSwitch.replace(["control_inbox.DeliverToControl"]);
  await rename(organization, "Switched off");
  // The change, and that it was made.
  expect(await countPendingUpdates(fleet, "de1")).toBe(2);
  expect((await mappingOf(organization))?.name).not.toBe("Switched off");
  fleet.control.methodSwitch.replace([]);
  await untilDelivered(fleet);
  expect((await mappingOf(organization))?.name).toBe("Switched off");
});

test("twenty changes at once leave the directory with what the cell has", async () => {
  const organization = await createNew();
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

test("a message whose reply is lost is delivered again under another signature, and nothing is different", async () => {
  const organization = await createNew();
  await untilDelivered(fleet);
  const seen = loseDeliveryReplies(1);
  await rename(organization, "Told twice");
  await untilDelivered(fleet);
  expect((await mappingOf(organization))?.name).toBe("Told twice");
  const [lost, repeated] = seen.map(({ body }) => fromBinary(DeliverToControlRequestSchema, body));
  expect(repeated?.batch?.messages).toEqual(lost?.batch?.messages);
  expect(new Set(seen.map(({ header }) => header.get("authorization"))).size).toBe(2);
  // As it was on the wire it is worth nothing to anybody else.
  const [stolen] = seen;
  expect((stolen === undefined ? undefined : await fleet.memory?.deliver(stolen))?.status).toBe(401);
});

test("a purge whose replies are all lost is told again until the cell knows that control has forgotten", async () => {
  const organization = await createNew();
  await untilDelivered(fleet);
  const seen = loseDeliveryReplies(3);
  await inCell().deleteOrganization({ organizationId: organization.id, immediately: true });
  await untilDelivered(fleet);
  expect(seen.length).toBeGreaterThan(3);
  expect(await mappingOf(organization)).toBeUndefined();
});
