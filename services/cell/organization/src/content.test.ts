import { createHash } from "node:crypto";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { organizationModule } from "./index.js";
import { cellClient, createOrganizationMaker, outcomeOf } from "./test-support.js";

let fleet: Fleet;
let client: ReturnType<typeof cellClient>;
let makeOrganization: ReturnType<typeof createOrganizationMaker>;

beforeAll(async () => {
  fleet = await startFleet({ modules: [organizationModule] });
  client = cellClient(fleet);
  makeOrganization = createOrganizationMaker(fleet);
}, 60_000);

afterAll(async () => {
  await fleet?.stop();
});

async function createTeam(organizationId: string, slug: string): Promise<string> {
  return (await client.createTeam({ organizationId, slug, name: slug })).team?.id ?? "";
}

async function createProject(organizationId: string, slug: string, teamId: string): Promise<string> {
  return (await client.createProject({ organizationId, slug, name: slug, teamId })).project?.id ?? "";
}

async function addUser(organizationId: string, userId: string): Promise<string> {
  const { member } = await client.addOrganizationMember({
    member: { organizationId, identity: { case: "userId", value: userId } },
  });
  return member?.id ?? "";
}

async function readAll<Page extends { nextPageToken: string }>(
  read: (pageToken: string) => Promise<Page>,
): Promise<Page[]> {
  const pages = [await read("")];
  for (let token = pages[0]?.nextPageToken ?? ""; token !== ""; token = pages.at(-1)?.nextPageToken ?? "")
    pages.push(await read(token));
  return pages;
}

test("a new team has no members, and an id that carries the cell's number", async () => {
  const { id } = await makeOrganization();
  const { team } = await client.createTeam({ organizationId: id, slug: "back-end", name: "Back end" });
  expect(team).toMatchObject({ organizationId: id, slug: "back-end", name: "Back end", memberCount: 0 });
  expect(Number(BigInt(team?.id ?? 0) & 1023n)).toBe(1);
  expect(Number(team?.createdAt?.seconds)).toBeGreaterThan(1_700_000_000);
});

test("a team's slug is unique in its organization, also for two created at once, and free in another", async () => {
  const one = await makeOrganization();
  const two = await makeOrganization();
  const create = (organizationId: string) =>
    outcomeOf(client.createTeam({ organizationId, slug: "core", name: "Core" }));
  expect(new Set(await Promise.all([create(one.id), create(one.id)]))).toEqual(
    new Set(["AlreadyExists TEAM_EXISTS", undefined]),
  );
  expect(await create(two.id)).toBeUndefined();
});

test.each(["", "Core", "co--re", "-core", "123", "a".repeat(51), "c\u0000"])(
  "the slug %j is refused for teams and projects",
  async (slug) => {
    const { id } = await makeOrganization();
    expect(await outcomeOf(client.createTeam({ organizationId: id, slug, name: "Core" }))).toBe(
      "InvalidArgument INVALID_FIELD",
    );
    expect(await outcomeOf(client.createProject({ organizationId: id, slug, name: "Core", teamId: "1" }))).toBe(
      "InvalidArgument INVALID_FIELD",
    );
  },
);

test("a text with the character NUL is refused, not a bug", async () => {
  const { id } = await makeOrganization();
  const name = "a\u0000b";
  const calls = [
    client.createTeam({ organizationId: id, slug: "nul", name }),
    client.createProject({ organizationId: id, slug: "nul", name, teamId: "1" }),
    client.createProjectKey({ organizationId: id, projectId: "1", label: name }),
  ];
  expect(await Promise.all(calls.map(outcomeOf))).toEqual(Array(3).fill("InvalidArgument INVALID_FIELD"));
});

test("nothing is created in an organization that is not there, and its lists are empty", async () => {
  const absent = { organizationId: "4095" };
  expect(await outcomeOf(client.createTeam({ ...absent, slug: "core", name: "Core" }))).toBe(
    "NotFound ORGANIZATION_NOT_FOUND",
  );
  expect(await outcomeOf(client.createProject({ ...absent, slug: "core", name: "Core", teamId: "1" }))).toBe(
    "NotFound ORGANIZATION_NOT_FOUND",
  );
  expect(await outcomeOf(client.createProjectKey({ ...absent, projectId: "1", label: "Default" }))).toBe(
    "NotFound PROJECT_NOT_FOUND",
  );
  expect(await outcomeOf(client.addTeamMember({ ...absent, teamId: "1", memberId: "1" }))).toBe(
    "NotFound TEAM_NOT_FOUND",
  );
  expect((await client.listTeams(absent)).teams).toEqual([]);
  expect((await client.listProjects(absent)).projects).toEqual([]);
  expect((await client.listProjectKeys({ ...absent, projectId: "1" })).keys).toEqual([]);
});

test("teams are listed by id to the end, each once, with their members counted, and by member", async () => {
  const { id, ownerMemberId, slug } = await makeOrganization();
  const memberId = await addUser(id, "7");
  for (const name of ["zeta", "alpha", "mid"]) await createTeam(id, name);
  const listed = async (filter: { memberId?: string }) => {
    const pages = await readAll((pageToken) =>
      client.listTeams({ organizationId: id, pageSize: 2, pageToken, ...filter }),
    );
    return pages.map(({ teams }) => teams.map((team) => `${team.slug} ${team.memberCount}`));
  };
  expect(await listed({})).toEqual([
    [`${slug} 1`, "zeta 0"],
    ["alpha 0", "mid 0"],
  ]);
  expect(await listed({ memberId })).toEqual([[]]);
  const { teams } = await client.listTeams({ organizationId: id });
  const alpha = teams.find((team) => team.slug === "alpha")?.id ?? "";
  await client.addTeamMember({ organizationId: id, teamId: alpha, memberId });
  await client.addTeamMember({ organizationId: id, teamId: alpha, memberId: ownerMemberId });
  expect(await listed({ memberId })).toEqual([["alpha 2"]]);
  expect(await listed({ memberId: ownerMemberId })).toEqual([[`${slug} 1`, "alpha 2"]]);
});

test("a member joins a team once, also when added twice at once, and leaves it once; invitations may join", async () => {
  const { id } = await makeOrganization();
  const key = { organizationId: id, teamId: await createTeam(id, "core"), memberId: await addUser(id, "7") };
  const added = await Promise.all([client.addTeamMember(key), client.addTeamMember(key)]);
  expect(new Set(added.map((answer) => answer.wasAdded))).toEqual(new Set([false, true]));
  const { member } = await client.addOrganizationMember({
    member: { organizationId: id, identity: { case: "email", value: "bob@example.com" } },
  });
  expect(await client.addTeamMember({ ...key, memberId: member?.id ?? "" })).toMatchObject({ wasAdded: true });
  expect(await client.removeTeamMember(key)).toMatchObject({ wasRemoved: true });
  expect(await client.removeTeamMember(key)).toMatchObject({ wasRemoved: false });
  expect(
    (await client.getOrganizationMember({ organizationId: id, by: { case: "userId", value: "7" } })).member?.teamIds,
  ).toEqual([]);
});

test("a team takes only members of its own organization", async () => {
  const one = await makeOrganization();
  const two = await makeOrganization();
  const teamId = await createTeam(one.id, "core");
  const add = (organizationId: string, memberId: string) =>
    outcomeOf(client.addTeamMember({ organizationId, teamId, memberId }));
  expect(await add(two.id, two.ownerMemberId)).toBe("NotFound TEAM_NOT_FOUND");
  expect(await add(one.id, two.ownerMemberId)).toBe("NotFound MEMBER_NOT_FOUND");
  expect(await add(one.id, one.ownerMemberId)).toBeUndefined();
  expect(await client.removeTeamMember({ organizationId: two.id, teamId, memberId: one.ownerMemberId })).toMatchObject({
    wasRemoved: false,
  });
});

test("a member that is removed while it is added to a team is in no team", async () => {
  for (let round = 0; round < 5; round += 1) {
    const { id } = await makeOrganization();
    const key = { organizationId: id, teamId: await createTeam(id, "core"), memberId: await addUser(id, "7") };
    const [, added] = await Promise.all([client.removeOrganizationMember(key), outcomeOf(client.addTeamMember(key))]);
    expect([undefined, "NotFound MEMBER_NOT_FOUND"]).toContain(added);
    const { teams } = await client.listTeams({ organizationId: id });
    expect(teams.find((team) => team.slug === "core")?.memberCount).toBe(0);
  }
});

test("a project belongs to a team of its organization, and its slug is unique there", async () => {
  const one = await makeOrganization();
  const two = await makeOrganization();
  const teamId = await createTeam(one.id, "core");
  const request = { organizationId: one.id, slug: "web", name: "Web", platform: "node", teamId };
  const { project } = await client.createProject(request);
  expect(project).toMatchObject(request);
  expect(await outcomeOf(client.createProject(request))).toBe("AlreadyExists PROJECT_EXISTS");
  expect(await outcomeOf(client.createProject({ ...request, organizationId: two.id }))).toBe("NotFound TEAM_NOT_FOUND");
  expect(await outcomeOf(client.createProject({ ...request, slug: "other", platform: "Node JS" }))).toBe(
    "InvalidArgument INVALID_FIELD",
  );
  const create = () => outcomeOf(client.createProject({ ...request, slug: "twice" }));
  expect(new Set(await Promise.all([create(), create()]))).toEqual(
    new Set(["AlreadyExists PROJECT_EXISTS", undefined]),
  );
});

test("projects are listed by id to the end, each once, and by team", async () => {
  const { id } = await makeOrganization();
  const teams = [await createTeam(id, "core"), await createTeam(id, "edge")] as const;
  for (const [i, slug] of ["e", "d", "c", "b", "a"].entries())
    await createProject(id, slug, i % 2 === 0 ? teams[0] : teams[1]);
  const listed = async (filter: { teamId?: string }) => {
    const pages = await readAll((pageToken) =>
      client.listProjects({ organizationId: id, pageSize: 2, pageToken, ...filter }),
    );
    return pages.map(({ projects }) => projects.map((project) => project.slug).join(""));
  };
  expect(await listed({})).toEqual(["ed", "cb", "a"]);
  expect(await listed({ teamId: teams[1] })).toEqual(["db"]);
  expect(await listed({ teamId: "1" })).toEqual([""]);
  expect(await outcomeOf(client.listProjects({ organizationId: id, pageToken: "bm9uZQ" }))).toBe(
    "InvalidArgument INVALID_FIELD",
  );
});

test("a key's secret half is answered once, and no more than its hash is stored", async () => {
  const { id } = await makeOrganization();
  const projectId = await createProject(id, "web", await createTeam(id, "core"));
  const { key, secretKey } = await client.createProjectKey({ organizationId: id, projectId, label: "Default" });
  expect(key).toMatchObject({ organizationId: id, projectId, label: "Default" });
  expect([key?.publicKey, secretKey]).toEqual([
    expect.stringMatching(/^[0-9a-f]{32}$/),
    expect.stringMatching(/^[0-9a-f]{32}$/),
  ]);
  expect(secretKey).not.toBe(key?.publicKey);
  expect((await client.listProjectKeys({ organizationId: id, projectId })).keys).toEqual([key]);
  const sql = "select row_to_json(k)::text as text, secret_key_hash as hash from cell.project_key k where id = $1";
  const [row] = await fleet.cell("us1").database("CELL").query(sql, [key?.id]);
  expect(row.text).not.toContain(secretKey);
  expect(row.hash).toEqual(createHash("sha256").update(secretKey).digest());
});

test("keys are listed by project to the end, deleted once, and only by their own organization", async () => {
  const one = await makeOrganization();
  const two = await makeOrganization();
  const projectId = await createProject(one.id, "web", await createTeam(one.id, "core"));
  expect(await outcomeOf(client.createProjectKey({ organizationId: two.id, projectId, label: "Default" }))).toBe(
    "NotFound PROJECT_NOT_FOUND",
  );
  for (const label of ["c", "b", "a"]) await client.createProjectKey({ organizationId: one.id, projectId, label });
  const pages = await readAll((pageToken) =>
    client.listProjectKeys({ organizationId: one.id, projectId, pageSize: 2, pageToken }),
  );
  expect(pages.map(({ keys }) => keys.map((key) => key.label).join(""))).toEqual(["cb", "a"]);
  expect((await client.listProjectKeys({ organizationId: two.id, projectId })).keys).toEqual([]);
  const keyId = pages[0]?.keys[0]?.id ?? "";
  expect(await client.deleteProjectKey({ organizationId: two.id, keyId })).toMatchObject({ wasDeleted: false });
  expect(await client.deleteProjectKey({ organizationId: one.id, keyId })).toMatchObject({ wasDeleted: true });
  expect(await client.deleteProjectKey({ organizationId: one.id, keyId })).toMatchObject({ wasDeleted: false });
  expect((await client.listProjectKeys({ organizationId: one.id, projectId })).keys.map((key) => key.label)).toEqual([
    "b",
    "a",
  ]);
});

test("an immediate deletion takes teams, projects, keys and options with it", async () => {
  const { id, ownerMemberId } = await makeOrganization();
  const teamId = await createTeam(id, "core");
  await client.addTeamMember({ organizationId: id, teamId, memberId: ownerMemberId });
  const projectId = await createProject(id, "web", teamId);
  await client.createProjectKey({ organizationId: id, projectId, label: "Default" });
  await client.setOrganizationOption({
    organizationId: id,
    key: "a",
    value: { kind: { case: "boolValue", value: true } },
  });
  await client.deleteOrganization({ organizationId: id, immediately: true });
  for (const table of ["team", "team_member", "project", "project_key", "organization_option"]) {
    const rows = await fleet
      .cell("us1")
      .database("CELL")
      .query(`select from cell.${table} where organization_id = $1`, [id]);
    expect({ table, rows: rows.length }).toEqual({ table, rows: 0 });
  }
});
