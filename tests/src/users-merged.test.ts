import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { MemberRole } from "@cellway/gen/cellway/organization/v1/types";
import { UserService } from "@cellway/gen/cellway/user/v1/user";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import {
  addMember,
  CELLS,
  createMemberEverywhere,
  createOrganization,
  createUser,
  idsOf,
  listAll,
  type TestOrganization,
  untilDelivered,
} from "./organizations.js";

let fleet: Fleet;

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES });
});
afterAll(() => fleet.stop());

const users = () => fleet.client(UserService);

test("users merged in each cell are one in the directory, with the greater role where both were members", async () => {
  const { userId: fromUserId, organizations } = await createMemberEverywhere(fleet);
  const toUserId = await createUser(fleet);
  const [us1, us2] = organizations as [TestOrganization, TestOrganization];
  const owned = await createOrganization(fleet, { cellName: "de1", ownerUserId: fromUserId });
  await addMember(fleet, us1, toUserId, MemberRole.BILLING);
  await addMember(fleet, us2, toUserId, MemberRole.ADMIN);
  const merge = (cellName: string) => fleet.client(OrganizationService).mergeUsers({ cellName, fromUserId, toUserId });
  expect(await merge("us1")).toMatchObject({ movedMemberCount: 0, mergedMemberCount: 1 });
  expect(await merge("us2")).toMatchObject({ movedMemberCount: 0, mergedMemberCount: 1 });
  await untilDelivered(fleet);
  expect((await users().listUserCells({ userId: fromUserId })).cellNames).toEqual(["de1"]);
  expect(await merge("de1")).toMatchObject({ movedMemberCount: 2, mergedMemberCount: 0 });
  await untilDelivered(fleet);

  expect((await listAll(fleet, fromUserId)).ids).toEqual([]);
  expect((await users().listUserCells({ userId: fromUserId })).cellNames).toEqual([]);
  const { ids, roles } = await listAll(fleet, toUserId);
  expect(ids).toEqual(idsOf([...organizations, owned]));
  expect([roles.get(us1.id), roles.get(us2.id), roles.get(owned.id)]).toEqual([
    MemberRole.MEMBER,
    MemberRole.ADMIN,
    MemberRole.OWNER,
  ]);
  // Nothing holds the merged user any more.
  expect(await users().deleteUser({ userId: fromUserId })).toMatchObject({ wasDeleted: true });
  expect((await listAll(fleet, toUserId)).ids).toHaveLength(4);
});

test("a merge that one cell missed is done there by a repetition in all of them", async () => {
  const { userId: fromUserId, organizations } = await createMemberEverywhere(fleet);
  const toUserId = await createUser(fleet);
  const mergeEverywhere = () =>
    Promise.allSettled(
      CELLS.map((cellName) => fleet.client(OrganizationService).mergeUsers({ cellName, fromUserId, toUserId })),
    );
  await fleet.stopSilo("us1");
  expect((await mergeEverywhere()).map(({ status }) => status)).toEqual(["rejected", "fulfilled", "fulfilled"]);
  await untilDelivered(fleet, ["us2", "de1"]);
  expect((await listAll(fleet, fromUserId)).ids).toEqual(idsOf(organizations.slice(0, 1)));
  await fleet.restart("us1");
  expect((await mergeEverywhere()).map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "fulfilled"]);
  await untilDelivered(fleet);
  expect((await listAll(fleet, fromUserId)).ids).toEqual([]);
  expect((await listAll(fleet, toUserId)).ids).toEqual(idsOf(organizations));
});
