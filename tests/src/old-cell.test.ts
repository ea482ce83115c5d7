import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { InviteStatus, MemberRole, OrganizationStatus } from "@cellway/gen/cellway/organization/v1/types";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import {
  addMember,
  createOrganization,
  createUser,
  findMapping,
  findShown,
  type TestOrganization,
  until,
  untilDelivered,
} from "./organizations.js";

// What a cell of the version before tells with SyncOrganization, beside outboxes.
let fleet: Fleet;

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES });
});
afterAll(() => fleet?.stop());

const inCell = () => fleet.cell("de1").rpc.client(OrganizationService);
const directory = () => fleet.cell("de1").rpc.client(DirectoryService);
const sync = (request: Parameters<ReturnType<typeof directory>["syncOrganization"]>[0]) =>
  directory().syncOrganization(request);
const create = async () => createOrganization(fleet, { cellName: "de1", ownerUserId: await createUser(fleet) });

const mappingOf = (organization: TestOrganization) => findMapping(fleet, organization);
const shownTo = (userId: string, organization: TestOrganization) => findShown(fleet, userId, organization);

/** What control is told of the organization: name and version of each state. */
async function stateOf(organization: TestOrganization, overrides: { name: string; version: string }) {
  const { organization: row } = await inCell().getOrganization({ organizationId: organization.id });
  const status = row?.status ?? OrganizationStatus.ACTIVE;
  return { slug: organization.slug, status, createdAt: timestampFromMs(Date.now()), ...overrides };
}

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

test("a state that it read before a change that an outbox has told already changes nothing", async () => {
  const organization = await create();
  const userId = await createUser(fleet);
  const organizationId = organization.id;
  const memberId = await addMember(fleet, organization, userId);
  const before = await stateOf(organization, { name: "Before", version: "1" });
  await inCell().updateOrganization({ organizationId, name: "After", updateMask: { paths: ["name"] } });
  await inCell().removeOrganizationMember({ organizationId, memberId });
  await untilDelivered(fleet);
  const member = { memberId, userId, role: MemberRole.OWNER, inviteStatus: InviteStatus.ACCEPTED, version: "1" };
  await sync({ organizationId, organization: before, members: [member] });
  expect((await mappingOf(organization))?.name).toBe("After");
  expect(await shownTo(userId, organization)).toBeUndefined();
});

test("a change that it makes itself is told through the outbox too", async () => {
  const organization = await create();
  await untilDelivered(fleet);
  const sql = "update cell.organization set name = 'Old code', version = version + 1 where id = $1";
  await fleet.cell("de1").database("CELL").query(sql, [organization.id]);
  await until("control knows", async () => (await mappingOf(organization))?.name === "Old code");
});
