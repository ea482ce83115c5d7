import { MemberRole } from "@cellway/gen/cellway/organization/v1/types";
import { ReplicaService } from "@cellway/gen/cellway/replica/v1/replica";
import { type Fleet, startFleet } from "@cellway/testing";
import { createUserModule } from "@cellway/user";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { MODULES } from "./modules.js";
import { addMember, CELLS, createOrganization, until } from "./organizations.js";
import { ask, type PublicAnswer } from "./public-api.js";
import { controlQuery, settleCells, untilUserTold } from "./replicas.js";

const PASSWORD = "correct horse battery";
const HOUR_MS = 3_600_000;
const SESSIONS = { absoluteSeconds: 100 * 3_600, idleSeconds: 10 * 3_600 };

let fleet: Fleet;
let offsetMs = 0;
let count = 0;

beforeAll(async () => {
  const modules = MODULES.map((module) => (module.name === "user" ? createUserModule({ sessions: SESSIONS }) : module));
  fleet = await startFleet({ modules, now: () => Date.now() + offsetMs });
}, 60_000);
afterAll(() => fleet?.stop());

/** Somebody with a browser: keeps the cookie of an answer, and says where a request comes from. */
class Browser {
  private cookie: string | undefined;

  async send(silo: { httpAddress: string }, method: string, path: string, body?: unknown): Promise<PublicAnswer> {
    const answer = await ask(silo, method, path, {
      ...(body === undefined ? {} : { body }),
      headers: {
        ...(this.cookie === undefined ? {} : { cookie: this.cookie }),
        ...(method === "GET" ? {} : { origin: silo.httpAddress }),
      },
    });
    for (const cookie of answer.headers.getSetCookie()) {
      this.cookie = cookie.includes("Max-Age=0") ? undefined : cookie.split(";", 1)[0];
    }
    return answer;
  }

  /** Another one with the same cookie: what a thief of it has. */
  copy(): Browser {
    const other = new Browser();
    other.cookie = this.cookie;
    return other;
  }

  get secret(): string {
    return this.cookie?.slice("cellway_session=".length) ?? "";
  }
}

interface Person {
  readonly browser: Browser;
  readonly userId: string;
  readonly username: string;
}

async function signUp(): Promise<Person> {
  const username = `visitor-${count++}`;
  const browser = new Browser();
  const body = { username, email: `${username}@example.com`, name: "Visitor", password: PASSWORD };
  const made = await browser.send(fleet.control, "POST", "/api/0/users/", body);
  expect(made).toMatchObject({ status: 201, body: { username, display_name: "Visitor" } });
  return { browser, username, userId: String(made.body["id"]) };
}

/** A member of an organization of its own in a cell, which has heard of all that control had to tell. */
async function signUpIn(cellName: string): Promise<Person & { path: string }> {
  const person = await signUp();
  const { slug } = await createOrganization(fleet, { cellName, ownerUserId: person.userId });
  await until("the user is known there", async () => knows(cellName, person.browser.secret));
  return { ...person, path: `/api/0/organizations/${slug}/` };
}

/** Whether the cell itself accepts the secret. */
async function knows(cellName: string, token: string): Promise<boolean> {
  const replicas = fleet.cell(cellName).rpc.client(ReplicaService);
  return (await replicas.verifySession({ cellName, token })).verified !== undefined;
}

test("sign up, create an organization, use it in its cell, also while control is away, log out: the cell refuses", async () => {
  const { browser, username } = await signUp();
  const slug = `org-of-${username}`;
  const made = await browser.send(fleet.control, "POST", "/api/0/organizations/", {
    slug,
    name: "Mine",
    locality: "de",
  });
  expect(made).toMatchObject({ status: 201, body: { slug, locality: "de" } });
  const path = `/api/0/organizations/${slug}/`;
  const cell = fleet.cell("de1");
  expect((await browser.send(cell, "GET", path)).status).toBe(200);
  const team = await browser.send(cell, "POST", `${path}teams/`, { slug: "first", name: "First" });
  expect(team.status).toBe(201);
  await until("the cell knows the session by itself", () => knows("de1", browser.secret));

  await fleet.stopSilo("control");
  expect((await browser.send(cell, "GET", path)).status).toBe(200);
  const away = await browser.send(cell, "POST", `${path}teams/`, { slug: "second", name: "Second" });
  expect(away.status).toBe(201);
  await fleet.restart("control");

  const before = browser.copy();
  const login = await browser.send(fleet.control, "POST", "/api/0/auth/login/", {
    login: username,
    password: PASSWORD,
  });
  expect(login).toMatchObject({ status: 200, body: { username } });
  // The cookie that the new one replaces is nobody's any more.
  expect((await before.send(fleet.control, "GET", "/api/0/users/me/")).status).toBe(401);
  const replay = browser.copy();
  expect((await replay.send(cell, "GET", path)).status).toBe(200);
  await until("the cell knows the new session", () => knows("de1", replay.secret));
  const out = await browser.send(fleet.control, "POST", "/api/0/auth/logout/");
  expect([out.status, browser.secret]).toEqual([200, ""]);
  expect(await replay.send(fleet.control, "GET", "/api/0/users/me/")).toMatchObject({
    status: 401,
    body: { code: "SESSION_INVALID" },
  });
  await until("the cell was told", async () => (await replay.send(cell, "GET", path)).status === 401);
}, 60_000);

test("a wrong password and an unknown user are answered alike, and neither gets a cookie", async () => {
  const { username } = await signUp();
  const answers = [username, "nobody-at-all", "nobody@example.com"].map(async (login) => {
    const { status, body, headers } = await ask(fleet.control, "POST", "/api/0/auth/login/", {
      body: { login, password: "wrong horse" },
    });
    return JSON.stringify([status, { ...body, request_id: "" }, headers.getSetCookie()]);
  });
  expect(new Set(await Promise.all(answers)).size).toBe(1);
  expect(await answers[0]).toContain("CREDENTIALS_INVALID");
  const short = { username: "short", email: "short@example.com", password: "seven77" };
  const refused = await ask(fleet.control, "POST", "/api/0/users/", { body: short });
  expect(refused).toMatchObject({ status: 400, body: { errors: [{ field: "body.password" }] } });
  const long = { ...short, password: "\u00e9".repeat(129) };
  expect((await ask(fleet.control, "POST", "/api/0/users/", { body: long })).status).toBe(400);
  expect(fleet.control.log.join("")).not.toContain(PASSWORD);
});

test("sessions are seen and ended by their owner, and another password ends all others, in cells too", async () => {
  const { browser, username, path } = await signUpIn("us1");
  const other = new Browser();
  await other.send(fleet.control, "POST", "/api/0/auth/login/", { login: username, password: PASSWORD });
  const listed = await browser.send(fleet.control, "GET", "/api/0/sessions/");
  const sessions = listed.body as unknown as { id: string; is_current: boolean; ip_address: string }[];
  expect(sessions.map(({ is_current, ip_address }) => [is_current, ip_address])).toEqual([
    [false, "127.0.0.1"],
    [true, "127.0.0.1"],
  ]);
  expect((await other.send(fleet.cell("us1"), "GET", path)).status).toBe(200);
  const passwords = { current_password: PASSWORD, new_password: "another horse" };
  expect((await browser.send(fleet.control, "PUT", "/api/0/users/me/password/", passwords)).status).toBe(200);
  expect(await browser.send(fleet.control, "PUT", "/api/0/users/me/password/", passwords)).toMatchObject({
    status: 403,
    body: { code: "PASSWORD_WRONG" },
  });
  await until("the cell was told", async () => (await other.send(fleet.cell("us1"), "GET", path)).status === 401);
  expect((await browser.send(fleet.cell("us1"), "GET", path)).status).toBe(200);
  const own = sessions.find(({ is_current }) => is_current)?.id ?? "";
  expect((await browser.send(fleet.control, "DELETE", `/api/0/sessions/${own}/`)).status).toBe(200);
  expect((await browser.send(fleet.control, "GET", "/api/0/sessions/")).status).toBe(401);
});

test("a session is known in the cells of its user, in a new one as soon as the user joins there, and forgotten where it left", async () => {
  const { browser, userId } = await signUpIn("us1");
  const cellsThatKnow = async () => {
    await untilUserTold(fleet, userId);
    const answers = await Promise.all(CELLS.map((cellName) => knows(cellName, browser.secret)));
    return CELLS.filter((_, index) => answers[index]);
  };
  expect(await cellsThatKnow()).toEqual(["us1"]);
  const owner = await signUp();
  const joined = await createOrganization(fleet, { cellName: "us2", ownerUserId: owner.userId });
  await addMember(fleet, joined, userId, MemberRole.MEMBER);
  await until("it is known in us2", async () => (await cellsThatKnow()).length === 2);
  await controlQuery(fleet, "delete from control.user_cell where user_id = $1 and cell_name = 'us2'", [userId]);
  await settleCells(fleet);
  expect(await cellsThatKnow()).toEqual(["us1"]);
  const rows = await fleet
    .cell("us2")
    .database("CELL")
    .query<object[]>("select user_id, token_hash, expires_at from cell.session_replica where user_id = $1", [userId]);
  expect(rows).toEqual([]);
});

test("while control is away a cell knows its sessions, and of others it says 503, not 401", async () => {
  const { browser, path } = await signUpIn("us1");
  const stranger = (await signUp()).browser;
  await fleet.stopSilo("control");
  const cell = fleet.cell("us1");
  expect((await browser.send(cell, "GET", path)).status).toBe(200);
  const away = await stranger.send(cell, "GET", path);
  expect([away.status, away.headers.get("retry-after")]).toEqual([503, expect.any(String)]);
  const tampered = await ask(cell, "GET", path, { headers: { cookie: `cellway_session=${browser.secret}x` } });
  expect(tampered.status).toBe(401);
  await fleet.restart("control");
  await until("control answers again", async () => (await stranger.send(cell, "GET", path)).status === 404);
}, 60_000);

test("a session that was revoked while a cell was away is refused there when it is back", async () => {
  const { browser, path } = await signUpIn("us1");
  await fleet.stopSilo("us1");
  await browser.copy().send(fleet.control, "POST", "/api/0/auth/logout/");
  await fleet.restart("us1");
  await until("it was told", async () => (await browser.send(fleet.cell("us1"), "GET", path)).status === 401);
}, 60_000);

test("a session that was revoked just before control went away is refused in its cell once control is back", async () => {
  const { browser, path } = await signUpIn("us1");
  const cell = fleet.cell("us1");
  const address = fleet.topology.cells.get("us1")?.rpcAddress ?? "";
  fleet.memory?.down.add(address);
  await browser.copy().send(fleet.control, "POST", "/api/0/auth/logout/");
  await fleet.stopSilo("control");
  fleet.memory?.down.delete(address);
  // The bound of a logout: control has not told it yet, and cannot be asked.
  expect((await browser.send(cell, "GET", path)).status).toBe(200);
  await fleet.restart("control");
  await until("the cell was told", async () => (await browser.send(cell, "GET", path)).status === 401);
}, 60_000);

test("use in a cell keeps a session alive, there while control is away, and in control once it is back", async () => {
  const [used, local, unused] = [await signUpIn("us1"), await signUpIn("us1"), await signUpIn("us1")];
  const stranger = await signUp();
  const statusOf = async ({ browser }: Person, path: string) =>
    (await browser.send(fleet.cell("us1"), "GET", path)).status;
  const endOf = async ({ userId }: Person) => {
    const sql = "select idle_expires_at as end from control.session where user_id = $1";
    return (await controlQuery<{ end: Date }>(fleet, sql, [userId]))[0]?.end.getTime() ?? 0;
  };
  const before = await endOf(used);
  await fleet.stopSilo("control");
  offsetMs += 6 * HOUR_MS;
  expect([await statusOf(used, used.path), await statusOf(local, local.path)]).toEqual([200, 200]);
  await fleet.restart("control");
  await until("the cell reaches control", async () => (await statusOf(stranger, used.path)) === 404);
  // A cell tries to tell control once a minute.
  offsetMs += 61_000;
  expect(await statusOf(used, used.path)).toBe(200);
  await until("control has heard of the use", async () => (await endOf(used)) > before + 5 * HOUR_MS);

  await fleet.stopSilo("control");
  offsetMs += 6 * HOUR_MS;
  // Beyond the time without use as far as control knows, but for the one of which it has heard.
  expect([
    await statusOf(used, used.path),
    await statusOf(local, local.path),
    await statusOf(unused, unused.path),
  ]).toEqual([200, 200, 503]);
  offsetMs = 0;
}, 60_000);
