import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { IntegrationService } from "@cellway/gen/cellway/integration/v1/integration";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { MemberRole } from "@cellway/gen/cellway/organization/v1/types";
import { UserService } from "@cellway/gen/cellway/user/v1/user";
import type { Fleet } from "@cellway/testing";

/** An organization of a test. */
export interface TestOrganization {
  readonly id: string;
  readonly slug: string;
  readonly cellName: string;
}

let counter = 0;

/** A user of its own. */
export async function createUser(fleet: Fleet): Promise<string> {
  counter += 1;
  const username = `person-${counter}`;
  const { user } = await fleet.client(UserService).createUser({ username, email: `${username}@example.com` });
  if (user === undefined) throw new Error("no user was created");
  return user.id;
}

/**
 * Provisions an organization in any cell: what an operator does who opens another cell of a locality for new
 * organizations. Not for two calls at once.
 */
export async function createOrganization(
  fleet: Fleet,
  wanted: { cellName: string; ownerUserId: string; slug?: string },
): Promise<TestOrganization> {
  counter += 1;
  const { cellName, ownerUserId, slug = `${cellName}-org-${counter}` } = wanted;
  const locality = fleet.topology.cells.get(cellName)?.locality ?? "";
  const sql = "update control.locality set new_organization_cell = $2 where name = $1";
  await fleet.control.database("CONTROL").query(sql, [locality, cellName]);
  const answer = await fleet.client(DirectoryService).provisionOrganization({
    requestId: `request-${counter}`,
    slug,
    name: slug,
    locality,
    ownerUserId,
    ownerEmail: "owner@example.com",
  });
  if (answer.cellName !== cellName) throw new Error(`${slug} is in ${answer.cellName}`);
  return { id: answer.organizationId, slug, cellName };
}

/** Makes a user a member; answers the member's id. */
export async function addMember(
  fleet: Fleet,
  organization: TestOrganization,
  userId: string,
  role: MemberRole = MemberRole.MEMBER,
): Promise<string> {
  const { member } = await fleet.client(OrganizationService).addOrganizationMember({
    member: { organizationId: organization.id, identity: { case: "userId", value: userId }, role },
  });
  if (member === undefined) throw new Error("no member was added");
  return member.id;
}

/** Connects an organization to an account of a third party; answers the integration's id. */
export async function install(fleet: Fleet, { id: organizationId }: TestOrganization): Promise<string> {
  counter += 1;
  const client = fleet.client(IntegrationService);
  const { integration } = await client.createIntegration({
    provider: "github",
    externalId: `account-${counter}`,
    name: "GitHub",
  });
  if (integration === undefined) throw new Error("no integration was created");
  await client.addOrganizationIntegration({
    organizationId,
    integrationId: integration.id,
    config: { branch: "main" },
  });
  return integration.id;
}

/** Whether the cell itself, not the directory, has the user as a member. */
export async function isMemberInCell(fleet: Fleet, organization: TestOrganization, userId: string): Promise<boolean> {
  const { member } = await fleet
    .cell(organization.cellName)
    .rpc.client(OrganizationService)
    .getOrganizationMember({ organizationId: organization.id, by: { case: "userId", value: userId } });
  return member !== undefined;
}

/** Their ids as lists give them, in order. */
export function idsOf(organizations: readonly TestOrganization[]): string[] {
  return organizations.map(({ id }) => id).toSorted((one, other) => Number(BigInt(one) - BigInt(other)));
}

/** Resolves as soon as `condition` holds; fails after `timeoutMs`. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 10_000,
): Promise<void> {
  const giveUpAt = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > giveUpAt) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Resolves when control has been told of everything that is waiting in the cells. */
export async function untilDelivered(fleet: Fleet, cellNames = [...fleet.topology.cells.keys()]): Promise<void> {
  for (const cellName of cellNames) {
    const isTold = async () => (await countPendingUpdates(fleet, cellName)) === 0;
    await until(`${cellName} has told control everything`, isTold);
  }
}

/** What a cell has not yet told control. */
export async function countPendingUpdates(fleet: Fleet, cellName: string): Promise<number> {
  const sql = "select ((select count(*) from cell.outbox) + (select count(*) from cell.outbox_held))::int as count";
  const rows = await fleet.cell(cellName).database("CELL").query<{ count: number }[]>(sql);
  return rows[0]?.count ?? -1;
}

/** Every cell of the test fleet. */
export const CELLS = ["us1", "us2", "de1"];

/** One organization in each of the cells, owned by the user. */
export async function createEverywhere(fleet: Fleet, ownerUserId: string): Promise<TestOrganization[]> {
  const organizations: TestOrganization[] = [];
  for (const cellName of CELLS) organizations.push(await createOrganization(fleet, { cellName, ownerUserId }));
  return organizations;
}

/** A member, no owner, of an organization in each of the cells. */
export async function createMemberEverywhere(
  fleet: Fleet,
): Promise<{ userId: string; organizations: TestOrganization[] }> {
  const organizations = await createEverywhere(fleet, await createUser(fleet));
  const userId = await createUser(fleet);
  for (const organization of organizations) await addMember(fleet, organization, userId);
  await untilDelivered(fleet);
  return { userId, organizations };
}

/** All organizations of a user, as the pages of a list give them. */
export async function listAll(fleet: Fleet, userId: string, pageSize = 2) {
  const pages: string[][] = [];
  const roles = new Map<string, MemberRole>();
  let pageToken = "";
  do {
    const page = await fleet.client(UserService).listUserOrganizations({ userId, pageSize, pageToken });
    pages.push(page.organizations.map((entry) => entry.organizationId));
    for (const entry of page.organizations) roles.set(entry.organizationId, entry.role);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return { pages, ids: pages.flat(), roles };
}

/** Where the directory has an organization; undefined when nowhere. */
export async function findMapping(fleet: Fleet, { id }: TestOrganization) {
  const organization = { case: "organizationId", value: id } as const;
  return (await fleet.client(DirectoryService).getOrganizationMapping({ organization })).mapping;
}

/** What a user's list shows of an organization; undefined when it does not show it. */
export async function findShown(fleet: Fleet, userId: string, { id }: TestOrganization) {
  const { organizations } = await fleet.client(UserService).listUserOrganizations({ userId });
  return organizations.find((entry) => entry.organizationId === id);
}
