import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import pg from "pg";
import { MODULES } from "./modules.js";
import { createOrganization, createUser, type TestOrganization } from "./organizations.js";
import { ask, createToken, type PublicAnswer } from "./public-api.js";

let fleet: Fleet;
let nowMs = Date.now();
let token: string;
let guest: string;
let organization: TestOrganization;
let teamId: string;
let projectId: string;
let counter = 0;

/** What each route that takes keys is called with, so that it succeeds once. */
const SAMPLES: Readonly<Record<string, () => Promise<Call> | Call>> = {
  inviteMember: () => ({ path: "members/", body: { email: `${name()}@example.com` } }),
  acceptInvite: async () => {
    const invited = await call({ path: "members/", body: { email: `${name()}@example.com` } });
    const { member, invite_token: inviteToken } = invited.body as { member: { id: string }; invite_token: string };
    guest = await createToken(fleet, await createUser(fleet));
    return { path: `members/${member.id}/accept/`, body: { invite_token: inviteToken }, as: guest };
  },
  createTeam: () => ({ path: "teams/", body: { slug: name(), name: "A team" } }),
  createProject: () => ({ path: "projects/", body: { slug: name(), name: "A project", team_id: teamId } }),
  createProjectKey: () => ({ path: `projects/${projectId}/keys/`, body: { label: name() } }),
  createApiToken: () => ({ path: "/api/0/api-tokens/", body: { name: name(), scopes: ["org:read"] } }),
};

interface Call {
  /** After the organization's, unless it begins with a slash: then at control. */
  readonly path: string;
  readonly body: unknown;
  readonly as?: string;
}

const name = () => `thing-${++counter}`;
const POSTS = MODULES.flatMap(({ routes }) => routes).filter(
  ({ method, access, takesIdempotencyKey, handlesSessions }) =>
    method === "POST" && access.kind !== "anyone" && takesIdempotencyKey !== true && handlesSessions !== true,
);

function call({ path, body, as = token }: Call, key?: string, method = "POST"): Promise<PublicAnswer> {
  const isControl = path.startsWith("/");
  const whole = isControl ? path : `/api/0/organizations/${organization.slug}/${path}`;
  const headers = key === undefined ? {} : { "idempotency-key": key };
  return ask(isControl ? fleet.control : fleet.cell("us1"), method, whole, { token: as, body, headers });
}

beforeAll(async () => {
  fleet = await startFleet({ modules: MODULES, now: () => nowMs });
  const userId = await createUser(fleet);
  token = await createToken(fleet, userId);
  organization = await createOrganization(fleet, { cellName: "us1", ownerUserId: userId });
  const { id: organizationId } = organization;
  const organizations = fleet.client(OrganizationService);
  const { team } = await organizations.createTeam({ organizationId, slug: "first", name: "First" });
  teamId = team?.id ?? "";
  const first = { organizationId, slug: "first", name: "First", teamId };
  projectId = (await organizations.createProject(first)).project?.id ?? "";
}, 60_000);
afterAll(() => fleet?.stop());

const tableOf = ({ path }: Call) => (path.startsWith("/") ? "control" : "cell");
const databaseOf = (sample: Call) =>
  tableOf(sample) === "control" ? fleet.control.database("CONTROL") : fleet.cell("us1").database("CELL");

test("every POST by somebody who is known takes a key, but for sessions, and each has a row in the table of this test", () => {
  expect(Object.keys(SAMPLES).toSorted()).toEqual(POSTS.map((route) => route.name).toSorted());
});

test.each(Object.keys(SAMPLES))("%s has no second effect and gives the same answer again", async (route) => {
  const sample = (await SAMPLES[route]?.()) ?? { path: "", body: {} };
  const first = await call(sample, `again-${route}`);
  const second = await call(sample, `again-${route}`);
  expect([first.status, first.headers.get("idempotency-replayed")]).toEqual([second.status, null]);
  expect(first.status).toBeLessThan(300);
  expect([second.body, second.headers.get("idempotency-replayed")]).toEqual([first.body, "true"]);
  expect(second.headers.get("x-request-id")).not.toBe(first.headers.get("x-request-id"));
});

test.each(Object.keys(SAMPLES))(
  "%s whose process dies between its effect and its answer is not carried out again: the effect is noted in its own transaction",
  async (route) => {
    const sample = (await SAMPLES[route]?.()) ?? { path: "", body: {} };
    const database = databaseOf(sample);
    const table = `${tableOf(sample)}.idempotency_key`;
    await database.query(`alter table ${table} add constraint no_answers check (answer is null) not valid`);
    try {
      expect((await call(sample, `dies-${route}`)).status).toBeLessThan(300);
      const inUse = await call(sample, `dies-${route}`);
      expect(inUse).toMatchObject({ status: 409, body: { code: "IDEMPOTENCY_KEY_IN_USE" } });
      expect(inUse.headers.get("retry-after")).toBe("1");
      nowMs += 30_000;
      const lost = await call(sample, `dies-${route}`);
      expect(lost).toMatchObject({ status: 409, body: { code: "IDEMPOTENCY_ANSWER_LOST" } });
    } finally {
      await database.query(`alter table ${table} drop constraint no_answers`);
    }
  },
);

test("the same key with another body or at another path is 422; the key of another user is another", async () => {
  const team = { path: "teams/", body: { slug: name(), name: "A team" } };
  expect((await call(team, "reused")).status).toBe(201);
  const reused = { status: 422, body: { code: "IDEMPOTENCY_KEY_REUSED" } };
  expect(await call({ ...team, body: { slug: name(), name: "A team" } }, "reused")).toMatchObject(reused);
  expect(await call({ ...team, path: "teams/?a=b" }, "reused")).toMatchObject(reused);
  const other = { path: "/api/0/api-tokens/", body: { name: "of another", scopes: [] } };
  const mine = await call(other, "reused-token");
  const theirs = await call({ ...other, as: await createToken(fleet, await createUser(fleet)) }, "reused-token");
  expect([mine.status, theirs.status, theirs.headers.get("idempotency-replayed")]).toEqual([201, 201, null]);
});

test("while a request is under way its key is 409, and one effect comes of all", async () => {
  const holder = new pg.Client({ connectionString: fleet.cell("us1").databaseUrl });
  await holder.connect();
  await holder.query("begin");
  await holder.query("select from cell.organization where id = $1 for update", [organization.id]);
  const email = `${name()}@example.com`;
  const invite = { path: "members/", body: { email } };
  const first = call(invite, "at-once");
  const others: PublicAnswer[] = [];
  // Those that come before the first has begun would be the first.
  while (others.length < 5) {
    const claimed = await databaseOf(invite).query<unknown[]>(
      "select 1 from cell.idempotency_key where not is_carried_out and claimed_until > $1",
      [new Date(nowMs)],
    );
    if (claimed.length > 0) others.push(await call(invite, "at-once"));
  }
  expect(new Set(others.map(({ status }) => status))).toEqual(new Set([409]));
  await holder.query("rollback");
  await holder.end();
  const answer = await first;
  expect([answer.status, (await call(invite, "at-once")).body]).toEqual([201, answer.body]);
  const sql = "select 1 from cell.organization_member where email = $1";
  expect(await databaseOf(invite).query<unknown[]>(sql, [email])).toHaveLength(1);
});

test("an error leaves the key free: what is right later is carried out then", async () => {
  const email = `${name()}@example.com`;
  const invite = { path: "members/", body: { email } };
  const { member } = (await call(invite)).body as { member: { id: string } };
  expect(await call(invite, "later")).toMatchObject({ status: 409, body: { code: "MEMBER_EXISTS" } });
  await call({ path: `members/${member.id}/`, body: undefined }, undefined, "DELETE");
  expect((await call(invite, "later")).status).toBe(201);
});

test("whoever may not any more is not told what was answered before", async () => {
  const { body } = await call({ path: "/api/0/api-tokens/", body: { name: "short", scopes: ["team:write"] } });
  const { api_token: apiToken, token: short } = body as { api_token: { id: string }; token: string };
  const team = { path: "teams/", body: { slug: name(), name: "A team" }, as: short };
  expect((await call(team, "gone")).status).toBe(201);
  await call({ path: `/api/0/api-tokens/${apiToken.id}/`, body: undefined }, undefined, "DELETE");
  let status = 201;
  while (status !== 401) ({ status } = await call(team, "gone"));
});

test("the tables hold no secret that was answered, and forget all after a day", async () => {
  const sample = { path: "/api/0/api-tokens/", body: { name: "secret", scopes: [] } };
  const { token: secret } = (await call(sample, "secret")).body as { token: string };
  const read = async () => {
    const rows = await databaseOf(sample).query<{ answer: Buffer | null }[]>(
      "select answer from control.idempotency_key",
    );
    return rows.map(({ answer }) => answer?.toString("latin1") ?? "");
  };
  expect((await read()).length).toBeGreaterThan(0);
  expect((await read()).join().includes(secret)).toBe(false);
  nowMs += 24 * 60 * 60 * 1000;
  const again = (await call(sample, "secret")).body as { token: string };
  expect(again.token).not.toBe(secret);
  await fleet.control.tasks.runNow("idempotency.drop-expired-control");
  expect(await read()).toHaveLength(1);
  await fleet.cell("us1").tasks.runNow("idempotency.drop-expired-cell");
  expect(await fleet.cell("us1").database("CELL").query("select from cell.idempotency_key")).toEqual([]);
});

test("a key on a method that is idempotent by itself, and one that is malformed, are refused: whoever sends them relies on it", async () => {
  const rename = { path: "", body: { name: "Renamed" } };
  const answer = await call(rename, "patch", "PATCH");
  expect(answer).toMatchObject({ status: 400, body: { code: "IDEMPOTENCY_KEY_UNSUPPORTED" } });
  const team = { path: "teams/", body: { slug: name(), name: "A team" } };
  for (const key of ["", "x".repeat(129), "with space"])
    expect(await call(team, key)).toMatchObject({ status: 400, body: { code: "IDEMPOTENCY_KEY_INVALID" } });
});
