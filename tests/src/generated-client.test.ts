import { rm } from "node:fs/promises";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { type GeneratedClient, generateClient } from "./generated-client.js";
import { MODULES } from "./modules.js";
import { createUser, install, untilDelivered } from "./organizations.js";
import { createToken } from "./public-api.js";

interface Operation {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, unknown>>;
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

let fleet: Fleet;
let document: Document;
let client: GeneratedClient;
let folder: string;
let owner: string;
let guest: string;
/** The cookie of whoever logged in last. */
let session: string;
/** Operations that were answered, each with its status. */
const answered = new Map<string, number>();
const ids: Record<string, string> = {};

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES });
  owner = await createToken(fleet, await createUser(fleet));
  guest = await createToken(fleet, await createUser(fleet));
  const text = await (await fetch(`${fleet.control.httpAddress}/api/0/openapi.json`)).text();
  document = JSON.parse(text) as Document;
  ({ client, folder } = await generateClient(text));
  client.defaults.fetch = async (input, init) => {
    const res = await fetch(input, init);
    const [cookie] = res.headers.getSetCookie();
    if (cookie !== undefined) session = cookie.split(";", 1)[0] ?? "";
    const { pathname } = new URL(res.url);
    answered.set(findOperation(init?.method ?? "GET", pathname)?.operationId ?? pathname, res.status);
    return res;
  };
}, 120_000);
afterAll(async () => {
  await fleet?.stop();
  if (folder !== undefined) await rm(folder, { recursive: true });
});

function listOperations(): { path: string; method: string; operation: Operation }[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
}

function findOperation(method: string, pathname: string): Operation | undefined {
  const found = listOperations().find((candidate) => {
    const pattern = new RegExp(`^${candidate.path.replace(/\{[a-z_]+\}/g, "[^/]+")}$`);
    return candidate.method === method.toLowerCase() && pattern.test(pathname);
  });
  return found?.operation;
}

/** Calls an operation as its users do, with a token or with what a browser sends, and gives what it answers. */
async function call<T = Record<string, unknown>>(name: string, args: unknown[] = [], token = owner): Promise<T> {
  const isOfCell = MODULES.flatMap(({ routes }) => routes).find((route) => route.name === name)?.localMode === "CELL";
  client.defaults.baseUrl = (isOfCell ? fleet.cell("us1") : fleet.control).httpAddress;
  const asBrowser = { Cookie: session, Origin: client.defaults.baseUrl };
  client.defaults.headers = token === "" ? asBrowser : { Authorization: `Bearer ${token}` };
  const operation = client[name];
  if (operation === undefined) throw new Error(`The client has no ${name}.`);
  const { status, data } = await operation(...args);
  expect([name, status, status < 300 ? "" : data]).toEqual([name, status, ""]);
  return data as T;
}

const ACME = "acme";

test("a client that is generated from the document that is served compiles, and is answered by every route as it says", async () => {
  await callControl();
  await callSessions();
  await callMembers();
  await callContent();
  await callRest();
  const operations = listOperations().map(({ operation }) => operation);
  expect(operations.length).toBeGreaterThan(25);
  for (const { operationId, responses } of operations) {
    // A route that is new is called above.
    const status = answered.get(operationId);
    expect([operationId, status, Object.keys(responses).includes(String(status))]).toEqual([operationId, status, true]);
    expect(status).toBeLessThan(300);
  }
});

async function callControl(): Promise<void> {
  expect(await call<unknown[]>("listLocalities")).toContainEqual(expect.objectContaining({ name: "us" }));
  const created = await call("createOrganization", [
    { slug: ACME, name: "Acme", locality: "us" },
    { idempotencyKey: "once" },
  ]);
  expect(created).toMatchObject({
    slug: ACME,
    locality: "us",
    url: "https://us.example.test/api/0/organizations/acme/",
  });
  ids["organization"] = String(created["id"]);
  await untilDelivered(fleet);
  expect(await call<unknown[]>("listOrganizations", [{ perPage: 10 }])).toHaveLength(1);
  expect(await call("getOwnUser")).toHaveProperty("username");
  const { api_token: made } = await call<{ api_token: { id: string } }>("createApiToken", [
    { name: "second", scopes: ["org:read"] },
    { idempotencyKey: "token" },
  ]);
  expect(await call<unknown[]>("listApiTokens")).toHaveLength(2);
  await call("revokeApiToken", [made.id]);
}

async function callSessions(): Promise<void> {
  const login = { username: "grace", email: "grace@example.com", password: "correct horse" };
  await call("signUp", [login]);
  await call("logIn", [{ login: "grace", password: login.password }]);
  const sessions = await call<{ id: string; is_current: boolean }[]>("listSessions", [], "");
  expect(sessions).toHaveLength(2);
  await call("revokeSession", [sessions.find((each) => !each.is_current)?.id], "");
  await call("changePassword", [{ current_password: login.password, new_password: "battery staple" }], "");
  await call("logOut", [], "");
}

async function callMembers(): Promise<void> {
  const email = "guest@example.com";
  const invited = await call<{ member: { id: string }; invite_token: string }>("inviteMember", [ACME, { email }]);
  ids["member"] = invited.member.id;
  await call("acceptInvite", [ACME, invited.member.id, { invite_token: invited.invite_token }], guest);
  expect(await call<unknown[]>("listMembers", [ACME])).toHaveLength(2);
  expect(await call("updateMember", [ACME, invited.member.id, { role: "MANAGER" }])).toMatchObject({ role: "MANAGER" });
}

async function callContent(): Promise<void> {
  const team = await call<{ id: string }>("createTeam", [ACME, { slug: "core", name: "Core" }]);
  expect(await call<unknown[]>("listTeams", [ACME])).toHaveLength(2);
  expect(await call("addTeamMember", [ACME, team.id, ids["member"]])).toEqual({ was_added: true });
  expect(await call("removeTeamMember", [ACME, team.id, ids["member"]])).toEqual({ was_removed: true });
  expect(await call("removeMember", [ACME, ids["member"]])).toEqual({ was_removed: true });
  const body = { slug: "web", name: "Web", team_id: team.id };
  const project = await call<{ id: string }>("createProject", [ACME, body]);
  expect(await call<unknown[]>("listProjects", [ACME])).toHaveLength(1);
  const made = await call<{ key: { id: string } }>("createProjectKey", [ACME, project.id, { label: "Default" }]);
  expect(await call<unknown[]>("listProjectKeys", [ACME, project.id, { perPage: 1 }])).toHaveLength(1);
  expect(await call("deleteProjectKey", [ACME, made.key.id])).toEqual({ was_deleted: true });
}

async function callRest(): Promise<void> {
  const value = { nested: [1, null, "text"] };
  await call("setOption", [ACME, "test.option", { value }]);
  expect(await call("getOption", [ACME, "test.option"])).toEqual({ value });
  expect(await call("deleteOption", [ACME, "test.option"])).toEqual({ was_deleted: true });
  const integrationId = await install(fleet, { id: ids["organization"] ?? "", slug: ACME, cellName: "us1" });
  await call("listIntegrations", [ACME]);
  await call("updateIntegration", [ACME, integrationId, { status: "DISABLED", config: { deep: [value] } }]);
  expect(await call("removeIntegration", [ACME, integrationId])).toEqual({ was_removed: true });
  await call("listAuditLog", [ACME, { perPage: 5 }]);
  expect(await call("getOrganization", [ids["organization"]])).toMatchObject({ slug: ACME });
  expect(await call("updateOrganization", [ACME, { name: "Acme 2" }])).toMatchObject({ name: "Acme 2" });
  expect(await call("renameOrganization", [ACME, { slug: "acme-2" }])).toMatchObject({ slug: "acme-2" });
  expect(await call("deleteOrganization", ["acme-2"])).toHaveProperty("purge_at");
}

test("a document from which no client can be made that compiles, such as one of ranges of statuses, is refused", async () => {
  const content = { "application/json": { schema: { type: "string" } } };
  const get = { operationId: "getX", responses: { "4XX": { description: "no", content } } };
  const broken = { ...document, components: {}, paths: { "/x/": { get } } };
  await expect(generateClient(JSON.stringify(broken))).rejects.toThrow(/does not compile[^]*client.ts/);
});
