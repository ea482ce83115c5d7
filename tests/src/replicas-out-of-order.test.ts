import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { OrganizationMemberReplicaSchema, OrganizationReplicaSchema } from "@cellway/gen/cellway/directory/v1/replicas";
import { InviteStatus, MemberRole, OrganizationStatus } from "@cellway/gen/cellway/organization/v1/types";
import { ControlInboxService, type MessageSchema, Outcome } from "@cellway/gen/cellway/outbox/v1/outbox";
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
  untilDelivered,
} from "./organizations.js";

// What no outbox does by itself: messages that control gets late, twice, or from the wrong cell.
let fleet: Fleet;

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES });
});
afterAll(() => fleet?.stop());

/** Categories of the cell's outbox. */
const [ORGANIZATION, MEMBER] = [2, 3];
/** A version that no row has yet. */
const NEWER = 1_000_000_000;

const createNew = async () => createOrganization(fleet, { cellName: "de1", ownerUserId: await createUser(fleet) });
const mappingOf = (organization: TestOrganization) => findMapping(fleet, organization);
const shownTo = (userId: string, organization: TestOrganization) => findShown(fleet, userId, organization);

/** Control's inbox as the cell talks to it. */
const tell = (messages: readonly MessageInitShape<typeof MessageSchema>[]) =>
  fleet
    .cell("de1")
    .rpc.client(ControlInboxService)
    .deliverToControl({
      batch: { messages: messages.map((one) => ({ version: String(NEWER), ...one })), budgetMs: 1_000 },
    });

/** The content of the replica of an organization or of a member. */
const organizationReplica = (name: string) =>
  toBinary(
    OrganizationReplicaSchema,
    create(OrganizationReplicaSchema, { name, status: OrganizationStatus.ACTIVE, version: "1" }),
  );
const memberReplica = (userId: string, role: MemberRole) =>
  toBinary(
    OrganizationMemberReplicaSchema,
    create(OrganizationMemberReplicaSchema, { userId, role, inviteStatus: InviteStatus.ACCEPTED, version: "1" }),
  );

test("states that come twice and in any order leave the newest", async () => {
  const organization = await createNew();
  for (const step of [3, 1, 5, 2, 5, 4, 1]) {
    const ids = { shardId: organization.id, objectId: organization.id };
    const message = { ...ids, category: ORGANIZATION, version: String(NEWER + step) };
    const { results } = await tell([{ ...message, content: organizationReplica(`v${step}`) }]);
    expect(results.map(({ outcome }) => outcome)).toEqual([Outcome.DELIVERED]);
  }
  expect((await mappingOf(organization))?.name).toBe("v5");
});

test("an older state of a member neither takes a role back nor brings a removed member back", async () => {
  const organization = await createNew();
  const userId = await createUser(fleet);
  const ids = { shardId: organization.id, objectId: await addMember(fleet, organization, userId) };
  const tellState = (step: number, role?: MemberRole) => {
    const message = { ...ids, category: MEMBER, version: String(NEWER + step) };
    return tell([role === undefined ? message : { ...message, content: memberReplica(userId, role) }]);
  };
  await untilDelivered(fleet);
  await tellState(50, MemberRole.MANAGER);
  await tellState(49, MemberRole.MEMBER);
  expect(await shownTo(userId, organization)).toMatchObject({ role: MemberRole.MANAGER });
  await tellState(60);
  await tellState(59, MemberRole.OWNER);
  await tellState(61, MemberRole.OWNER);
  expect(await shownTo(userId, organization)).toBeUndefined();
});

test("the removal of a member of whom nothing was heard is kept, so that a late state does not bring it", async () => {
  const organization = await createNew();
  const userId = await createUser(fleet);
  const message = { category: MEMBER, shardId: organization.id, objectId: "4711" };
  await tell([{ ...message, version: String(NEWER + 2) }]);
  await tell([{ ...message, version: String(NEWER + 1), content: memberReplica(userId, MemberRole.OWNER) }]);
  expect(await shownTo(userId, organization)).toBeUndefined();
});

test("what a cell tells of another cell's organization is refused with its reason, and what it tells of its own counts", async () => {
  const own = await createNew();
  const foreign = await createOrganization(fleet, { cellName: "us1", ownerUserId: await createUser(fleet) });
  await untilDelivered(fleet);
  const { results } = await tell(
    [foreign, own].map(({ id }) => ({
      category: ORGANIZATION,
      shardId: id,
      objectId: id,
      content: organizationReplica("Mine"),
    })),
  );
  expect(results).toMatchObject([
    { outcome: Outcome.FAILED, error: "ORGANIZATION_NOT_OWNED: it lives elsewhere" },
    { outcome: Outcome.DELIVERED },
  ]);
  expect([(await mappingOf(foreign))?.name, (await mappingOf(own))?.name]).toEqual([foreign.slug, "Mine"]);
});

test("an organization that is gone already may be said to be gone again; its slug is another's by then", async () => {
  const organization = await createNew();
  await tell([{ category: ORGANIZATION, shardId: organization.id, objectId: organization.id }]);
  const ownerUserId = await createUser(fleet);
  const successor = await createOrganization(fleet, { cellName: "us2", ownerUserId, slug: organization.slug });
  const { results } = await tell([{ category: ORGANIZATION, shardId: organization.id, objectId: organization.id }]);
  expect(results[0]?.outcome).toBe(Outcome.DELIVERED);
  expect(await mappingOf(successor)).toMatchObject({ slug: organization.slug, cellName: "us2" });
});
