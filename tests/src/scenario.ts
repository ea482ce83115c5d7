import type { DescService } from "@bufbuild/protobuf";
import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { IntegrationService } from "@cellway/gen/cellway/integration/v1/integration";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { InviteStatus, MemberRole, OrganizationStatus } from "@cellway/gen/cellway/organization/v1/types";
import { UserService } from "@cellway/gen/cellway/user/v1/user";
import { reasonOf } from "@cellway/rpc";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import { expect } from "@jest/globals";

/** Clients as code in control has them: the scenario does not know how a call gets where it goes. */
export type ClientOf = <S extends DescService>(service: S) => Client<S>;

/** How a call failed; the test fails when it did not. */
export async function failureOf(call: Promise<unknown>): Promise<{ code: Code; reason: string | undefined }> {
  try {
    await call;
  } catch (error) {
    return { code: ConnectError.from(error).code, reason: reasonOf(error) };
  }
  throw new Error("the call did not fail");
}

/**
 * The life of two organizations in two localities, through all four services. The same steps must give the same answers in a
 * monolith, over the in-memory network, between real processes, and with JSON bodies.
 *
 * @param tag - makes names unique where databases are shared between runs.
 */
export async function runScenario(clientOf: ClientOf, tag: string): Promise<void> {
  const people = await createPeople(clientOf, tag);
  const acme = await provision(clientOf, { tag, slug: `acme-${tag}`, locality: "us", owner: people.ada });
  const globex = await provision(clientOf, { tag, slug: `globex-${tag}`, locality: "de", owner: people.ada });
  expect([acme.cellName, globex.cellName]).toEqual(["us1", "de1"]);
  await useMembers(clientOf, globex.organizationId, people);
  await useProjects(clientOf, globex.organizationId);
  await listAcrossCells(clientOf, people.ada, [acme.organizationId, globex.organizationId]);
  await useIntegrations(clientOf, acme.organizationId, tag);
  await useTokens(clientOf, people.ada);
  await meetErrors(clientOf, tag, acme);
  await deleteOrganization(clientOf, globex, people);
}

interface Person {
  readonly id: string;
  readonly email: string;
}

async function createPeople(clientOf: ClientOf, tag: string): Promise<{ ada: Person; grace: Person }> {
  const users = clientOf(UserService);
  const create = async (name: string): Promise<Person> => {
    const email = `${name}-${tag}@example.com`;
    const { user } = await users.createUser({ username: `${name}-${tag}`, email, displayName: name });
    expect(user?.emails.map((entry) => entry.email)).toEqual([email]);
    return { id: user?.id ?? "", email };
  };
  const people = { ada: await create("ada"), grace: await create("grace") };
  const again = await users.getOrCreateUserByEmail({ email: people.ada.email });
  expect(again).toMatchObject({ wasCreated: false, user: { id: people.ada.id } });
  return people;
}

async function provision(clientOf: ClientOf, wanted: { tag: string; slug: string; locality: string; owner: Person }) {
  const directory = clientOf(DirectoryService);
  const request = {
    requestId: `request-${wanted.slug}`,
    slug: wanted.slug,
    name: wanted.slug.toUpperCase(),
    locality: wanted.locality,
    ownerUserId: wanted.owner.id,
    ownerEmail: wanted.owner.email,
  };
  const first = await directory.provisionOrganization(request);
  // The same request gives the same answer.
  expect(await directory.provisionOrganization(request)).toEqual(first);
  const { organization } = await clientOf(OrganizationService).getOrganizationBySlug({ slug: wanted.slug });
  expect(organization).toMatchObject({
    id: first.organizationId,
    slug: wanted.slug,
    status: OrganizationStatus.ACTIVE,
  });
  return first;
}

async function useMembers(
  clientOf: ClientOf,
  organizationId: string,
  people: { ada: Person; grace: Person },
): Promise<void> {
  const organizations = clientOf(OrganizationService);
  const invited = await organizations.addOrganizationMember({
    member: { organizationId, identity: { case: "email", value: people.grace.email }, role: MemberRole.MEMBER },
  });
  expect(invited.member?.inviteStatus).toBe(InviteStatus.PENDING);
  const memberId = invited.member?.id ?? "";
  const accepted = await organizations.acceptInvite({
    organizationId,
    memberId,
    userId: people.grace.id,
    inviteToken: invited.inviteToken,
  });
  expect(accepted.member).toMatchObject({ userId: people.grace.id, inviteStatus: InviteStatus.ACCEPTED });
  const promoted = await organizations.updateOrganizationMember({
    organizationId,
    memberId,
    role: MemberRole.MANAGER,
    updateMask: { paths: ["role"] },
  });
  expect(promoted.member?.role).toBe(MemberRole.MANAGER);
  const { members } = await organizations.listOrganizationMembers({ organizationId });
  expect(new Set(members.map((member) => member.userId))).toEqual(new Set([people.ada.id, people.grace.id]));
  const owner = members.find((member) => member.userId === people.ada.id);
  expect(
    await failureOf(organizations.removeOrganizationMember({ organizationId, memberId: owner?.id ?? "" })),
  ).toEqual({
    code: Code.FailedPrecondition,
    reason: "LAST_OWNER",
  });
}

async function useProjects(clientOf: ClientOf, organizationId: string): Promise<void> {
  const organizations = clientOf(OrganizationService);
  const { team } = await organizations.createTeam({ organizationId, slug: "platform", name: "Platform" });
  const created = await organizations.createProject({
    organizationId,
    slug: "web",
    name: "Web",
    platform: "javascript",
    teamId: team?.id ?? "",
  });
  const projectId = created.project?.id ?? "";
  const { key } = await organizations.createProjectKey({ organizationId, projectId, label: "default" });
  expect(key?.publicKey).toMatch(/^[0-9a-f]{32}$/);
  const { keys } = await organizations.listProjectKeys({ organizationId, projectId });
  expect(keys.map((entry) => entry.id)).toEqual([key?.id]);
  await organizations.setOrganizationOption({
    organizationId,
    key: "theme",
    value: { kind: { case: "stringValue", value: "dark" } },
  });
  const option = await organizations.getOrganizationOption({ organizationId, key: "theme" });
  expect(option.value?.kind).toEqual({ case: "stringValue", value: "dark" });
}

async function listAcrossCells(clientOf: ClientOf, ada: Person, expected: readonly string[]): Promise<void> {
  const users = clientOf(UserService);
  const seen: string[] = [];
  let pageToken = "";
  do {
    const page = await users.listUserOrganizations({ userId: ada.id, pageSize: 1, pageToken });
    seen.push(...page.organizations.map((entry) => entry.organizationId));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(new Set(seen)).toEqual(new Set(expected));
  expect(seen).toHaveLength(expected.length);
  expect((await users.listUserCells({ userId: ada.id })).cellNames).toEqual(["de1", "us1"]);
}

async function useIntegrations(clientOf: ClientOf, organizationId: string, tag: string): Promise<void> {
  const integrations = clientOf(IntegrationService);
  const { integration } = await integrations.createIntegration({
    provider: "github",
    externalId: `account-${tag}`,
    name: "GitHub",
  });
  await integrations.addOrganizationIntegration({
    organizationId,
    integrationId: integration?.id ?? "",
    config: { repository: "acme/web" },
  });
  const { context } = await integrations.getOrganizationContext({
    organizationId,
    integration: { case: "provider", value: "github" },
  });
  expect(context?.organizationIntegration?.config).toEqual({ repository: "acme/web" });
}

async function useTokens(clientOf: ClientOf, ada: Person): Promise<void> {
  const users = clientOf(UserService);
  const { token, apiToken } = await users.createApiToken({ userId: ada.id, name: "ci", scopes: ["org:read"] });
  expect((await users.verifyApiToken({ token })).verified).toMatchObject({ userId: ada.id, scopes: ["org:read"] });
  await users.revokeApiToken({ userId: ada.id, tokenId: apiToken?.id ?? "" });
  expect((await users.verifyApiToken({ token })).verified).toBeUndefined();
}

async function meetErrors(
  clientOf: ClientOf,
  tag: string,
  acme: { organizationId: string; slug: string },
): Promise<void> {
  const directory = clientOf(DirectoryService);
  const organizations = clientOf(OrganizationService);
  const wanted = { name: "X", locality: "us", ownerUserId: "1", ownerEmail: "x@example.com" };
  expect(
    await failureOf(
      directory.provisionOrganization({ ...wanted, requestId: `taken-${tag}`, slug: acme.slug, locality: "de" }),
    ),
  ).toEqual({
    code: Code.AlreadyExists,
    reason: "SLUG_TAKEN",
  });
  expect(
    await failureOf(directory.provisionOrganization({ ...wanted, requestId: `reserved-${tag}`, slug: "de" })),
  ).toEqual({
    code: Code.InvalidArgument,
    reason: "SLUG_RESERVED",
  });
  expect(
    await failureOf(
      directory.provisionOrganization({ ...wanted, requestId: `request-${acme.slug}`, slug: `other-${tag}` }),
    ),
  ).toEqual({
    code: Code.InvalidArgument,
    reason: "REQUEST_ID_REUSED",
  });
  expect((await organizations.getOrganizationBySlug({ slug: `nobody-${tag}` })).organization).toBeUndefined();
  expect((await organizations.getOrganization({ organizationId: "4503599627370497" })).organization).toBeUndefined();
  const newTeam = { organizationId: "4503599627370497", slug: "nobodys", name: "Nobody's" };
  expect(await failureOf(organizations.createTeam(newTeam))).toMatchObject({ code: Code.NotFound });
  expect(
    await failureOf(organizations.createTeam({ ...newTeam, organizationId: acme.organizationId, slug: "Not A Slug" })),
  ).toEqual({
    code: Code.InvalidArgument,
    reason: "INVALID_FIELD",
  });
  expect(await failureOf(organizations.getOrganizationBySlug({ slug: "" }))).toEqual({
    code: Code.InvalidArgument,
    reason: "INVALID_FIELD",
  });
}

async function deleteOrganization(
  clientOf: ClientOf,
  organization: { organizationId: string; slug: string },
  people: { ada: Person; grace: Person },
): Promise<void> {
  const organizations = clientOf(OrganizationService);
  const { organizationId, slug } = organization;
  await organizations.deleteOrganization({ organizationId });
  // A member no longer sees it, an operator does.
  expect((await organizations.getOrganizationBySlug({ slug, userId: people.ada.id })).organization).toBeUndefined();
  expect((await organizations.getOrganization({ organizationId })).organization?.status).toBe(
    OrganizationStatus.PENDING_DELETION,
  );
  await organizations.deleteOrganization({ organizationId, immediately: true });
  expect((await organizations.getOrganization({ organizationId })).organization).toBeUndefined();
  // The slug is free again, in any locality, and the user is gone from that cell.
  const again = await clientOf(DirectoryService).provisionOrganization({
    requestId: `again-${slug}`,
    slug,
    name: "Again",
    locality: "us",
    ownerUserId: people.grace.id,
    ownerEmail: people.grace.email,
  });
  expect(again.cellName).toBe("us1");
  expect((await clientOf(UserService).listUserCells({ userId: people.ada.id })).cellNames).toEqual(["us1"]);
}
