import { cellNumberOfSnowflake } from "@cellway/database";
import { type Fleet, startFleet } from "@cellway/testing";
import { Code, type ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { organizationModule } from "../index.js";
import { cellClient, failuresOf, newOrganizationId, outcomeOf } from "../test-support.js";

let fleet: Fleet;
let client: ReturnType<typeof cellClient>;

beforeAll(async () => {
  fleet = await startFleet({ modules: [organizationModule], mode: "siloed" });
  client = cellClient(fleet);
});

afterAll(async () => {
  await fleet?.stop();
});

let made = 0;
async function newRequest() {
  made += 1;
  const organizationId = await newOrganizationId(fleet);
  return {
    cellName: "us1",
    organizationId,
    slug: `acme-${made}`,
    name: "Acme",
    ownerUserId: "42",
    ownerEmail: "Ann@Example.com",
  };
}

function count(table: string, organizationId: string): Promise<number> {
  return fleet
    .cell("us1")
    .database("CELL")
    .query(`select count(*)::int as count from cell.${table} where organization_id = $1`, [organizationId])
    .then((rows: { count: number }[]) => rows[0]?.count ?? -1);
}

test("an organization is created with its owner and a team of its slug, unconfirmed", async () => {
  const request = await newRequest();
  const { organization, ownerMemberId } = await client.createOrganization(request);
  expect(organization).toMatchObject({
    id: request.organizationId,
    slug: request.slug,
    name: "Acme",
    isConfirmed: false,
    version: "1",
  });
  expect(organization).toMatchObject({
    allowsJoinRequests: true,
    hasOpenMembership: true,
    isEarlyAdopter: false,
    avatarUrl: "",
  });
  expect(cellNumberOfSnowflake(ownerMemberId)).toBe(1);
  const { membership } = await client.getOrganization({ organizationId: request.organizationId, userId: "42" });
  expect(membership).toMatchObject({
    id: ownerMemberId,
    userId: "42",
    email: "ann@example.com",
    role: 5,
    inviteStatus: 1,
  });
  expect(membership?.teamIds).toHaveLength(1);
  const teams = await fleet
    .cell("us1")
    .database("CELL")
    .query("select slug from cell.team where organization_id = $1", [request.organizationId]);
  expect(teams).toEqual([{ slug: request.slug }]);
});

test("the same creation again changes nothing and gives the same answer, also when the owner has left since", async () => {
  const request = await newRequest();
  const first = await client.createOrganization(request);
  expect(await client.createOrganization(request)).toEqual(first);
  const { organizationId } = request;
  await client.addOrganizationMember({
    member: { organizationId, identity: { case: "userId", value: "43" }, role: 5 },
  });
  await client.removeOrganizationMember({ organizationId, memberId: first.ownerMemberId });
  const later = await client.createOrganization(request);
  expect(later.ownerMemberId).toBe(first.ownerMemberId);
  expect(await count("organization_member", organizationId)).toBe(1);
  expect(await count("team", organizationId)).toBe(1);
});

test("ten creations at once make one organization", async () => {
  const request = await newRequest();
  const answers = await Promise.all(Array.from({ length: 10 }, () => client.createOrganization(request)));
  expect(new Set(answers.map((answer) => answer.ownerMemberId)).size).toBe(1);
  expect(await count("organization_member", request.organizationId)).toBe(1);
});

test.each([
  ["another slug", { slug: "something-else" }],
  ["another owner", { ownerUserId: "43" }],
])("a creation with a known id and %s is a conflict, and changes nothing", async (_, change) => {
  const request = await newRequest();
  await client.createOrganization(request);
  expect(await outcomeOf(client.createOrganization({ ...request, ...change }))).toBe(
    "AlreadyExists ORGANIZATION_CONFLICT",
  );
  expect((await client.getOrganizationBySlug({ slug: "something-else" })).organization).toBeUndefined();
});

test("of two organizations that want one slug at once, one is created and the other is a conflict with nothing left of it", async () => {
  const one = await newRequest();
  const two = { ...one, organizationId: await newOrganizationId(fleet) };
  const outcomes = await Promise.all([one, two].map((request) => outcomeOf(client.createOrganization(request))));
  expect(failuresOf(outcomes)).toEqual(["AlreadyExists ORGANIZATION_CONFLICT"]);
  expect((await count("team", one.organizationId)) + (await count("team", two.organizationId))).toBe(1);
});

test("a cancelled creation leaves nothing, frees the slug, and refuses a late creation of the same id", async () => {
  const request = await newRequest();
  const { organizationId, cellName } = request;
  await client.createOrganization(request);
  await client.cancelOrganizationCreation({ cellName, organizationId });
  await client.cancelOrganizationCreation({ cellName, organizationId });
  expect((await client.getOrganization({ organizationId })).organization).toBeUndefined();
  expect(await count("organization_member", organizationId)).toBe(0);
  expect(await outcomeOf(client.createOrganization(request))).toBe(
    "FailedPrecondition ORGANIZATION_CREATION_CANCELLED",
  );
  expect(await outcomeOf(client.confirmOrganizationCreation({ cellName, organizationId }))).toBe(
    "FailedPrecondition ORGANIZATION_CREATION_CANCELLED",
  );
  await client.createOrganization({ ...request, organizationId: await newOrganizationId(fleet) });
});

test("a creation that comes after its cancellation is refused", async () => {
  const request = await newRequest();
  await client.cancelOrganizationCreation(request);
  expect(await outcomeOf(client.createOrganization(request))).toBe(
    "FailedPrecondition ORGANIZATION_CREATION_CANCELLED",
  );
});

test("a creation and its cancellation at once never leave an organization", async () => {
  const requests = await Promise.all(Array.from({ length: 20 }, () => newRequest()));
  await Promise.all(
    requests.flatMap((request) => [
      outcomeOf(client.createOrganization(request)),
      client.cancelOrganizationCreation(request),
    ]),
  );
  for (const { organizationId } of requests) {
    expect((await client.getOrganization({ organizationId })).organization).toBeUndefined();
  }
});

test("a confirmed organization cannot be cancelled, and can be confirmed again", async () => {
  const request = await newRequest();
  await client.createOrganization(request);
  await client.confirmOrganizationCreation(request);
  await client.confirmOrganizationCreation(request);
  expect(await outcomeOf(client.cancelOrganizationCreation(request))).toBe("FailedPrecondition ORGANIZATION_CONFIRMED");
  expect((await client.createOrganization(request)).organization?.isConfirmed).toBe(true);
});

test("an unknown organization cannot be confirmed", async () => {
  expect(await outcomeOf(client.confirmOrganizationCreation(await newRequest()))).toBe(
    "NotFound ORGANIZATION_NOT_FOUND",
  );
});

test.each([
  ["slug", { slug: "12345" }],
  ["slug", { slug: "Acme" }],
  ["slug", { slug: "acme-" }],
  ["slug", { slug: "a--b" }],
  ["name", { name: "" }],
  ["owner_user_id", { ownerUserId: "0" }],
  ["owner_email", { ownerEmail: "nobody" }],
])("a creation with a wrong %s names the field", async (field, change) => {
  const error = await client
    .createOrganization({ ...(await newRequest()), ...change })
    .catch((caught: unknown) => caught as ConnectError);
  expect(error).toMatchObject({ code: Code.InvalidArgument, rawMessage: expect.stringContaining(`${field}:`) });
});

test("a call for another cell is refused", async () => {
  expect(await outcomeOf(client.createOrganization({ ...(await newRequest()), cellName: "us2" }))).toBe(
    "FailedPrecondition WRONG_CELL",
  );
});
