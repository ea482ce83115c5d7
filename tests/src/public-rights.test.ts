import { createHash, randomBytes } from "node:crypto";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { MemberRole } from "@cellway/gen/cellway/organization/v1/types";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { addMember, createOrganization, createUser, install, type TestOrganization } from "./organizations.js";
import { ask, createToken, type PublicAnswer } from "./public-api.js";

let fleet: Fleet;
let organization: TestOrganization;
let memberId: string;
let teamId: string;
let projectId: string;
let integrationId: string;
const tokens: Record<string, string> = {};
const cookies: Record<string, string> = {};
let counter = 0;

type Role = "member" | "admin" | "manager" | "owner";
interface Sample {
  /** The least role that may. */
  readonly from: Role;
  /** What follows the organization in the path, and the body, of a request that succeeds. */
  readonly request: () => Promise<[path: string, body?: unknown]> | [path: string, body?: unknown];
}

const organizations = () => fleet.client(OrganizationService);
const slug = () => `thing-${++counter}`;

async function invite(): Promise<string> {
  const { member } = await organizations().addOrganizationMember({
    member: {
      organizationId: organization.id,
      identity: { case: "email", value: `${slug()}@example.com` },
      role: MemberRole.MEMBER,
    },
  });
  return member?.id ?? "";
}

async function createKey(): Promise<string> {
  const { key } = await organizations().createProjectKey({ organizationId: organization.id, projectId, label: slug() });
  return key?.id ?? "";
}

const SAMPLES: Readonly<Record<string, Sample>> = {
  getOrganization: { from: "member", request: () => [""] },
  updateOrganization: { from: "manager", request: () => ["", { name: slug() }] },
  listMembers: { from: "member", request: () => ["members/"] },
  inviteMember: { from: "manager", request: () => ["members/", { email: `${slug()}@example.com` }] },
  updateMember: { from: "manager", request: async () => [`members/${await invite()}/`, { role: "ADMIN" }] },
  removeMember: { from: "manager", request: async () => [`members/${await invite()}/`] },
  listTeams: { from: "member", request: () => ["teams/"] },
  createTeam: { from: "admin", request: () => ["teams/", { slug: slug(), name: "A team" }] },
  addTeamMember: { from: "admin", request: () => [`teams/${teamId}/members/${memberId}/`] },
  removeTeamMember: { from: "admin", request: () => [`teams/${teamId}/members/${memberId}/`] },
  listProjects: { from: "member", request: () => ["projects/"] },
  createProject: { from: "admin", request: () => ["projects/", { slug: slug(), name: "A project", team_id: teamId }] },
  listProjectKeys: { from: "member", request: () => [`projects/${projectId}/keys/`] },
  createProjectKey: { from: "admin", request: () => [`projects/${projectId}/keys/`, { label: "Default" }] },
  deleteProjectKey: { from: "admin", request: async () => [`project-keys/${await createKey()}/`] },
  setOption: { from: "manager", request: () => ["options/test.option/", { value: { a: [1, null] } }] },
  getOption: { from: "admin", request: () => ["options/test.option/"] },
  deleteOption: { from: "manager", request: () => ["options/test.gone/"] },
  listAuditLog: { from: "manager", request: () => ["audit-log/"] },
  // The slug of before leads on to it, for those that come after.
  renameOrganization: { from: "manager", request: () => ["slug/", { slug: slug() }] },
  listIntegrations: { from: "member", request: () => ["integrations/"] },
  updateIntegration: { from: "manager", request: () => [`integrations/${integrationId}/`, { status: "DISABLED" }] },
  removeIntegration: { from: "manager", request: () => ["integrations/77/"] },
  // Last: it takes the organization away.
  deleteOrganization: { from: "owner", request: () => [""] },
};
const ROLES: readonly Role[] = ["member", "admin", "manager", "owner"];
const ROUTES = MODULES.flatMap(({ routes }) => routes);

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES });
  const owner = await createUser(fleet);
  organization = await createOrganization(fleet, { cellName: "us1", ownerUserId: owner });
  const stranger = await createUser(fleet);
  await createOrganization(fleet, { cellName: "us1", ownerUserId: stranger });
  const users = { member: MemberRole.MEMBER, admin: MemberRole.ADMIN, manager: MemberRole.MANAGER } as const;
  for (const [role, value] of Object.entries(users)) {
    const userId = await createUser(fleet);
    const id = await addMember(fleet, organization, userId, value);
    if (role === "member") {
      memberId = id;
      cookies["session of a member"] = await createSession(userId);
    }
    tokens[role] = await createToken(fleet, userId);
  }
  tokens["owner"] = await createToken(fleet, owner);
  tokens["stranger"] = await createToken(fleet, stranger);
  cookies["session of a stranger"] = await createSession(stranger);
  tokens["unscoped"] = await createToken(fleet, owner, []);
  const { team } = await organizations().createTeam({ organizationId: organization.id, slug: "first", name: "First" });
  teamId = team?.id ?? "";
  const first = { organizationId: organization.id, slug: "first", name: "First", teamId };
  integrationId = await install(fleet, organization);
  projectId = (await organizations().createProject(first)).project?.id ?? "";
}, 60_000);
afterAll(() => fleet?.stop());

/** A session of a user, as a login makes it; answers the cookie. */
async function createSession(userId: string): Promise<string> {
  const secret = `cws_${randomBytes(32).toString("base64url")}`;
  const sql = `insert into control.session
      (user_id, token_hash, expires_at, idle_expires_at, idle_timeout_seconds, last_used_at, created_at, user_agent)
    values ($1, $2, now() + interval '1 hour', now() + interval '1 hour', 3600, now(), now(), '')`;
  const hash = createHash("sha256").update(secret).digest();
  await fleet.control.database("CONTROL").query(sql, [userId, hash]);
  return `cellway_session=${secret}`;
}

async function call(name: string, who: string, idOrSlug = organization.slug): Promise<PublicAnswer> {
  const route = ROUTES.find((candidate) => candidate.name === name);
  const [path, body] = (await SAMPLES[name]?.request()) ?? [""];
  const token = tokens[who];
  const cell = fleet.cell("us1");
  const cookie = cookies[who];
  return ask(cell, route?.method ?? "", `/api/0/organizations/${idOrSlug}/${path}`, {
    body,
    ...(cookie === undefined ? {} : { headers: { cookie, origin: cell.httpAddress } }),
    ...(token === undefined ? {} : { token }),
  });
}

const USER_ROUTES = ROUTES.filter(({ access, localMode }) => access.kind === "user" && localMode === "CONTROL");

test.each(USER_ROUTES.map(({ name }) => name))(
  "%s is for tokens with its scope and for sessions, and for nobody else",
  async (name) => {
    const route = USER_ROUTES.find((candidate) => candidate.name === name);
    const scope = route?.access.kind === "user" ? route.access.scope : undefined;
    const path = route?.path.replaceAll(/\{[a-z_]+\}/g, "999999") ?? "";
    const statusOf = async (headers: Record<string, string>) =>
      (await ask(fleet.control, route?.method ?? "", path, { headers })).status;
    const bearer = (token = "") => ({ authorization: `Bearer ${token}` });
    const isLetIn = (status: number) => status !== 401 && status !== 403;
    expect(await statusOf({})).toBe(401);
    expect(await statusOf(bearer("x"))).toBe(401);
    expect((await statusOf(bearer(tokens["unscoped"]))) === 403).toBe(scope !== undefined);
    expect(isLetIn(await statusOf(bearer(tokens["stranger"])))).toBe(true);
    const cookie = cookies["session of a stranger"] ?? "";
    expect(isLetIn(await statusOf({ cookie, origin: fleet.control.httpAddress }))).toBe(true);
    expect((await statusOf({ cookie })) === 403).toBe(route?.method !== "GET");
  },
);

test("anyone may call what is in this list, only those who have an invitation what is for the invited, and there is no other kind", async () => {
  const namesOf = (kind: string) => ROUTES.filter(({ access }) => access.kind === kind).map(({ name }) => name);
  const members = Object.keys(SAMPLES).length;
  expect([namesOf("anyone").toSorted(), namesOf("invited")]).toEqual([["logIn", "logOut", "signUp"], ["acceptInvite"]]);
  expect(USER_ROUTES.length + members + namesOf("anyone").length + namesOf("invited").length).toBe(ROUTES.length);
  const path = `/api/0/organizations/${organization.slug}/members/${await invite()}/accept/`;
  const body = { invite_token: "guessed" };
  for (const [who, status] of [
    ["nobody", 401],
    ["stranger", 404],
    ["member", 404],
    ["owner", 404],
  ] as const) {
    const token = tokens[who];
    const answer = await ask(fleet.cell("us1"), "POST", path, { body, ...(token === undefined ? {} : { token }) });
    expect([who, answer.status]).toEqual([who, status]);
  }
});

test("every route of members has a row in the table of rights, and every row is a route", () => {
  const names = ROUTES.filter(({ access }) => access.kind === "member").map(({ name }) => name);
  expect(Object.keys(SAMPLES).toSorted()).toEqual(names.toSorted());
});

test.each(Object.keys(SAMPLES))("%s is for its roles, and for nobody else", async (name) => {
  const statusOf = async (who: string) => (await call(name, who)).status;
  expect([await statusOf("nobody"), await statusOf("stranger"), await statusOf("unscoped")]).toEqual([401, 404, 403]);
  // A session has every scope, and may what its user's role allows.
  const session = await call(name, "session of a member");
  expect([session.status < 300, (await call(name, "session of a stranger")).status]).toEqual([
    SAMPLES[name]?.from === "member",
    404,
  ]);
  const from = ROLES.indexOf(SAMPLES[name]?.from ?? "owner");
  for (const [rank, role] of ROLES.entries()) {
    const { status, body } = await call(name, role, rank % 2 === 0 ? organization.slug : organization.id);
    expect([name, role, status >= 200 && status < 300, status >= 400 ? body : {}]).toEqual([
      name,
      role,
      rank >= from,
      rank >= from ? {} : expect.objectContaining({ status: 403, code: "ROLE_TOO_LOW" }),
    ]);
  }
});
