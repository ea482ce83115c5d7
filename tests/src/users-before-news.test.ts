import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { MemberRole } from "@cellway/gen/cellway/organization/v1/types";
import { UserService } from "@cellway/gen/cellway/user/v1/user";
import { createRpcError } from "@cellway/rpc";
import { type Fleet, startFleet } from "@cellway/testing";
import { Code } from "@connectrpc/connect";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { addMember, createOrganization, createUser, isMemberInCell, untilDelivered } from "./organizations.js";
import { failureOf } from "./scenario.js";

let fleet: Fleet;

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES });
});
afterAll(() => fleet.stop());
afterEach(() => deliverNews());

const users = () => fleet.client(UserService);

/** From now on the directory does not hear from the cells. */
function loseNews(): void {
  if (fleet.memory === undefined) throw new Error("needs the in-memory network");
  fleet.memory.onRequest = ({ url }) => {
    if (!url.endsWith("/DeliverToControl")) return;
    throw createRpcError(Code.Unavailable, "SILO_UNREACHABLE", "the request was lost");
  };
}

function deliverNews(): void {
  if (fleet.memory !== undefined) fleet.memory.onRequest = undefined;
}

test("a deleted user is gone also from a cell that could not yet tell the directory of it", async () => {
  const userId = await createUser(fleet);
  const organization = await createOrganization(fleet, { cellName: "us2", ownerUserId: await createUser(fleet) });
  await untilDelivered(fleet);
  loseNews();
  await addMember(fleet, organization, userId);
  expect((await users().listUserCells({ userId })).cellNames).toEqual([]);
  expect(await users().deleteUser({ userId })).toMatchObject({ wasDeleted: true });
  expect(await isMemberInCell(fleet, organization, userId)).toBe(false);
  deliverNews();
  await untilDelivered(fleet);
  expect((await users().listUserCells({ userId })).cellNames).toEqual([]);
});

test("a last owner of whom the directory has not heard yet is refused, and is as active as before", async () => {
  const userId = await createUser(fleet);
  const formerOwner = await createUser(fleet);
  const organization = await createOrganization(fleet, { cellName: "us2", ownerUserId: formerOwner });
  await untilDelivered(fleet);
  loseNews();
  await addMember(fleet, organization, userId, MemberRole.OWNER);
  await fleet.client(OrganizationService).removeUser({ cellName: "us2", userId: formerOwner });
  expect(await failureOf(users().deleteUser({ userId }))).toMatchObject({ reason: "LAST_OWNER" });
  expect((await users().getUser({ userId })).user?.isActive).toBe(true);
  expect(await isMemberInCell(fleet, organization, userId)).toBe(true);
  deliverNews();
  await untilDelivered(fleet);
});
