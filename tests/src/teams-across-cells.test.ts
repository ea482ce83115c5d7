import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { addMember, createEverywhere, createUser, type TestOrganization, untilDelivered } from "./organizations.js";

let fleet: Fleet;

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES });
});
afterAll(() => fleet?.stop());

const organizations = () => fleet.client(OrganizationService);

async function createTeam({ id: organizationId }: TestOrganization, slug: string): Promise<string> {
  return (await organizations().createTeam({ organizationId, slug, name: slug.toUpperCase() })).team?.id ?? "";
}

/** What control says of a user's teams, a page of two at a time. */
async function teamsOf(userId: string) {
  const teams = [];
  let pageToken = "";
  do {
    const page = await fleet.client(DirectoryService).listUserTeams({ userId, pageSize: 2, pageToken });
    expect(page.teams.length).toBeLessThanOrEqual(2);
    teams.push(...page.teams);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return teams;
}

test("the teams of a user in three cells are one list, page by page, also with a cell down", async () => {
  const userId = await createUser(fleet);
  const expected = [];
  for (const organization of await createEverywhere(fleet, await createUser(fleet))) {
    const memberId = await addMember(fleet, organization, userId);
    for (const slug of ["web", "api"]) {
      const teamId = await createTeam(organization, slug);
      await organizations().addTeamMember({ organizationId: organization.id, teamId, memberId });
      const { id: organizationId, cellName } = organization;
      expected.push({ teamId, organizationId, cellName, slug, name: slug.toUpperCase() });
    }
    await createTeam(organization, "others");
  }
  await untilDelivered(fleet);
  await fleet.stopSilo("us2");
  try {
    const listed = await teamsOf(userId);
    expect(listed).toHaveLength(expected.length);
    expect(listed).toEqual(expect.arrayContaining(expected.map((team) => expect.objectContaining(team))));
    expect(listed.map(({ teamId }) => BigInt(teamId))).toEqual(
      listed.map(({ teamId }) => BigInt(teamId)).toSorted((one, other) => (one < other ? -1 : 1)),
    );
  } finally {
    await fleet.restart("us2");
  }
});

test("who leaves a team, and a team that is deleted, are in nobody's list", async () => {
  const userId = await createUser(fleet);
  const [organization] = await createEverywhere(fleet, await createUser(fleet));
  if (organization === undefined) throw new Error("no organization was created");
  const memberId = await addMember(fleet, organization, userId);
  const [left, deleted, kept] = [
    await createTeam(organization, "left"),
    await createTeam(organization, "deleted"),
    await createTeam(organization, "kept"),
  ];
  const { id: organizationId } = organization;
  for (const teamId of [left, deleted, kept]) await organizations().addTeamMember({ organizationId, teamId, memberId });
  await untilDelivered(fleet);
  expect((await teamsOf(userId)).map(({ teamId }) => teamId)).toEqual([left, deleted, kept]);
  await organizations().removeTeamMember({ organizationId, teamId: left, memberId });
  await fleet.cell("us1").database("CELL").query("delete from cell.team where id = $1", [deleted]);
  await untilDelivered(fleet);
  expect((await teamsOf(userId)).map(({ teamId }) => teamId)).toEqual([kept]);
  await organizations().removeOrganizationMember({ organizationId, memberId });
  await untilDelivered(fleet);
  expect(await teamsOf(userId)).toEqual([]);
});

test("the teams that an organization was created with are known once it is confirmed", async () => {
  const ownerUserId = await createUser(fleet);
  const [organization] = await createEverywhere(fleet, ownerUserId);
  await untilDelivered(fleet);
  const teams = await teamsOf(ownerUserId);
  expect(teams).toHaveLength(3);
  expect(teams).toContainEqual(expect.objectContaining({ organizationId: organization?.id, slug: organization?.slug }));
});
