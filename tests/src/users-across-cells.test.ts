import { timestampDate } from "@bufbuild/protobuf/wkt";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { MemberRole } from "@cellway/gen/cellway/organization/v1/types";
import { UserService } from "@cellway/gen/cellway/user/v1/user";
import { errorMetadataOf, reasonOf } from "@cellway/rpc";
import { type Fleet, startFleet } from "@cellway/testing";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { loseReplies } from "./lost-replies.js";
import { MODULES } from "./modules.js";
import {
  addMember,
  createEverywhere,
  createMemberEverywhere,
  createOrganization,
  createUser,
  idsOf,
  isMemberInCell,
  listAll,
  type TestOrganization,
  untilDelivered,
} from "./organizations.js";
import { failureOf } from "./scenario.js";

let fleet: Fleet;
let aheadMs = 0;

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES, now: () => Date.now() + aheadMs });
});
afterAll(() => fleet.stop());
afterEach(() => {
  if (fleet.memory !== undefined) fleet.memory.onRequest = undefined;
});

const users = () => fleet.client(UserService);

const membershipsIn = (organizations: readonly TestOrganization[], userId: string) =>
  Promise.all(organizations.map((organization) => isMemberInCell(fleet, organization, userId)));

async function errorOf(call: Promise<unknown>) {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return { code: ConnectError.from(error).code, reason: reasonOf(error), metadata: errorMetadataOf(error) };
}

test("a user's organizations are listed over all cells and pages, each once, ordered by id", async () => {
  const userId = await createUser(fleet);
  const owned = [...(await createEverywhere(fleet, userId)), ...(await createEverywhere(fleet, userId))];
  owned.push(await createOrganization(fleet, { cellName: "us2", ownerUserId: userId }));
  const { pages, ids } = await listAll(fleet, userId);
  expect(ids).toEqual(idsOf(owned));
  expect(pages.map((page) => page.length)).toEqual([2, 2, 2, 1]);
  expect((await users().listUserCells({ userId })).cellNames).toEqual(["de1", "us1", "us2"]);
});

test("each entry of a list says when control was last told something of it", async () => {
  const userId = await createUser(fleet);
  const organization = await createOrganization(fleet, { cellName: "de1", ownerUserId: userId });
  const asOf = async () => {
    const { organizations } = await users().listUserOrganizations({ userId });
    const [entry] = organizations;
    return entry?.asOf === undefined ? 0 : timestampDate(entry.asOf).getTime();
  };
  await untilDelivered(fleet, ["de1"]);
  const created = await asOf();
  expect(created).toBeGreaterThan(0);
  const organizations = fleet.client(OrganizationService);
  const { id: organizationId } = organization;
  await organizations.updateOrganization({ organizationId, name: "New", updateMask: { paths: ["name"] } });
  await untilDelivered(fleet, ["de1"]);
  const renamed = await asOf();
  expect(renamed).toBeGreaterThan(created);
  await addMember(fleet, organization, await createUser(fleet));
  await untilDelivered(fleet, ["de1"]);
  expect(await asOf()).toBe(renamed);
});

test("the lists are whole while a cell is stopped, and no cell is asked", async () => {
  const userId = await createUser(fleet);
  const owned = await createEverywhere(fleet, userId);
  const sent: string[] = [];
  await fleet.stopSilo("us2");
  try {
    if (fleet.memory !== undefined) fleet.memory.onRequest = ({ url }) => void sent.push(new URL(url).pathname);
    expect((await listAll(fleet, userId)).ids).toEqual(idsOf(owned));
    expect((await users().listUserCells({ userId })).cellNames).toEqual(["de1", "us1", "us2"]);
    expect(sent.filter((path) => !path.endsWith("/DeliverToControl"))).toEqual([]);
  } finally {
    await fleet.restart("us2");
  }
});

test("a user is in a cell until it leaves its last organization there", async () => {
  const { userId, organizations } = await createMemberEverywhere(fleet);
  const [first, , third] = organizations;
  const more = await createOrganization(fleet, { cellName: "de1", ownerUserId: await createUser(fleet) });
  const memberId = await addMember(fleet, more, userId);
  const cells = async () => {
    await untilDelivered(fleet);
    return (await users().listUserCells({ userId })).cellNames;
  };
  const leave = async (organization: TestOrganization | undefined, id?: string) => {
    const client = fleet.client(OrganizationService);
    const organizationId = organization?.id ?? "";
    const { member } = await client.getOrganizationMember({ organizationId, by: { case: "userId", value: userId } });
    await client.removeOrganizationMember({ organizationId, memberId: id ?? member?.id ?? "" });
  };
  await leave(more, memberId);
  expect(await cells()).toEqual(["de1", "us1", "us2"]);
  await leave(third);
  expect(await cells()).toEqual(["us1", "us2"]);
  await leave(first);
  expect(await cells()).toEqual(["us2"]);
});

test("a deleted user is gone from every cell, and the organizations stay", async () => {
  const { userId, organizations } = await createMemberEverywhere(fleet);
  expect(await users().deleteUser({ userId })).toMatchObject({ wasDeleted: true });
  expect((await users().getUser({ userId })).user).toBeUndefined();
  expect(await membershipsIn(organizations, userId)).toEqual([false, false, false]);
  await untilDelivered(fleet);
  expect((await listAll(fleet, userId)).ids).toEqual([]);
  expect((await users().listUserCells({ userId })).cellNames).toEqual([]);
  for (const { id } of organizations) {
    const { organization } = await fleet.client(OrganizationService).getOrganization({ organizationId: id });
    expect(organization?.id).toBe(id);
  }
  expect(await users().deleteUser({ userId })).toMatchObject({ wasDeleted: false });
});

test("of two deletions of a user at once, one has deleted it and neither fails", async () => {
  const { userId, organizations } = await createMemberEverywhere(fleet);
  const answers = await Promise.all([users().deleteUser({ userId }), users().deleteUser({ userId })]);
  expect(answers.filter((answer) => answer.wasDeleted)).toHaveLength(1);
  expect(await membershipsIn(organizations, userId)).toEqual([false, false, false]);
});

test("a cell whose reply is lost is asked again, and the user is gone", async () => {
  const { userId, organizations } = await createMemberEverywhere(fleet);
  const seen = loseReplies(fleet, 1, (url) => url.startsWith("http://us2") && url.endsWith("/RemoveUser"));
  expect(await users().deleteUser({ userId })).toMatchObject({ wasDeleted: true });
  expect(seen).toHaveLength(2);
  expect(await membershipsIn(organizations, userId)).toEqual([false, false, false]);
});

test("a cell that is down holds a deletion up and is named; the user is inactive until the task finishes it", async () => {
  const { userId, organizations } = await createMemberEverywhere(fleet);
  const { token } = await users().createApiToken({ userId, name: "ci", scopes: [] });
  await fleet.stopSilo("us2");
  expect(await errorOf(users().deleteUser({ userId }))).toEqual({
    code: Code.Unavailable,
    reason: "USER_DELETION_PENDING",
    metadata: { user_id: userId, cells: "us2" },
  });
  const pending = async () => (await users().getUser({ userId })).user?.isActive;
  expect(await pending()).toBe(false);
  expect((await users().verifyApiToken({ token })).verified).toBeUndefined();
  expect(await failureOf(users().addUserEmail({ userId, email: "late@example.com" }))).toEqual({
    code: Code.FailedPrecondition,
    reason: "USER_PENDING_DELETION",
  });

  // The cell is still down: the task fails for this user and keeps it for the next run.
  aheadMs += 60_000;
  await fleet.control.tasks.runNow("user.finish-deletions");
  expect(await pending()).toBe(false);

  await fleet.restart("us2");
  expect(await membershipsIn(organizations, userId)).toEqual([false, true, false]);
  aheadMs += 60_000;
  await fleet.control.tasks.runNow("user.finish-deletions");
  expect(await pending()).toBeUndefined();
  expect(await membershipsIn(organizations, userId)).toEqual([false, false, false]);
  await untilDelivered(fleet);
  expect((await users().listUserCells({ userId })).cellNames).toEqual([]);
});

test("a repeated deletion goes on where a cell that was down had stopped the first", async () => {
  const { userId, organizations } = await createMemberEverywhere(fleet);
  await fleet.stopSilo("de1");
  expect((await errorOf(users().deleteUser({ userId }))).metadata).toMatchObject({ cells: "de1" });
  expect((await errorOf(users().deleteUser({ userId }))).metadata).toMatchObject({ cells: "de1" });
  await fleet.restart("de1");
  expect(await users().deleteUser({ userId })).toMatchObject({ wasDeleted: true });
  expect(await membershipsIn(organizations, userId)).toEqual([false, false, false]);
});

test("the last owner of an organization in one cell is not deleted and stays a member in the others", async () => {
  const { userId, organizations } = await createMemberEverywhere(fleet);
  const owned = [
    await createOrganization(fleet, { cellName: "us2", ownerUserId: userId }),
    await createOrganization(fleet, { cellName: "de1", ownerUserId: userId }),
  ];
  expect(await errorOf(users().deleteUser({ userId }))).toEqual({
    code: Code.FailedPrecondition,
    reason: "LAST_OWNER",
    metadata: { user_id: userId, organization_ids: idsOf(owned).join(",") },
  });
  expect((await users().getUser({ userId })).user?.isActive).toBe(true);
  // In a cell where it owns nothing, the user was not even asked for.
  expect(await membershipsIn([...organizations, ...owned], userId)).toEqual([true, true, true, true, true]);

  const heir = await createUser(fleet);
  for (const organization of owned) await addMember(fleet, organization, heir, MemberRole.OWNER);
  await untilDelivered(fleet);
  expect(await users().deleteUser({ userId })).toMatchObject({ wasDeleted: true });
  expect(await membershipsIn([...organizations, ...owned], userId)).toEqual([false, false, false, false, false]);
});

test("force deletes a last owner from every cell; the organizations are left without one", async () => {
  const userId = await createUser(fleet);
  const owned = await createEverywhere(fleet, userId);
  expect(await users().deleteUser({ userId, force: true })).toMatchObject({ wasDeleted: true });
  expect(await membershipsIn(owned, userId)).toEqual([false, false, false]);
  for (const { id } of owned) {
    const { members } = await fleet.client(OrganizationService).listOrganizationMembers({ organizationId: id });
    expect(members).toEqual([]);
  }
});

test("force that a cell held up is not taken back by a repetition without it", async () => {
  const userId = await createUser(fleet);
  const owned = await createEverywhere(fleet, userId);
  await fleet.stopSilo("us2");
  expect(await failureOf(users().deleteUser({ userId, force: true }))).toMatchObject({
    reason: "USER_DELETION_PENDING",
  });
  await fleet.restart("us2");
  expect(await users().deleteUser({ userId })).toMatchObject({ wasDeleted: true });
  expect(await membershipsIn(owned, userId)).toEqual([false, false, false]);
});

test("a last owner is refused also while another cell is down, and is as active as before", async () => {
  const userId = await createUser(fleet);
  await createEverywhere(fleet, userId);
  await fleet.stopSilo("de1");
  expect(await failureOf(users().deleteUser({ userId }))).toMatchObject({ reason: "LAST_OWNER" });
  await fleet.restart("de1");
  expect((await users().getUser({ userId })).user?.isActive).toBe(true);
  expect((await listAll(fleet, userId)).ids).toHaveLength(3);
});
