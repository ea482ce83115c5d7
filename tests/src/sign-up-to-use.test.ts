import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { Browser, type BrowserAnswer } from "./browser.js";
import { type DevFleet, startDev } from "./command-line.js";
import { until } from "./organizations.js";
import { findPortBase } from "./processes.js";

let dataDir: string;
let fleet: DevFleet;
let control: string;
let us: string;
let de: string;
/** Where the same is without a session: clients share no cookie with what is below localhost. */
let plain: Record<"control" | "us" | "de", string>;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "cellway-dev-"));
  const portBase = await findPortBase();
  fleet = await startDev(dataDir, portBase, "--seed", "none");
  const at = (domain: string) => ({
    control: `http://${domain}:${portBase}`,
    us: `http://us.${domain}:${portBase + 100}`,
    de: `http://de.${domain}:${portBase + 100}`,
  });
  ({ control, us, de } = at("cellway.localhost"));
  plain = at("localhost");
}, 90_000);
afterAll(async () => {
  fleet?.child.kill("SIGTERM");
  await fleet?.exited;
  await rm(dataDir, { recursive: true, force: true });
});

const PASSWORD = "a long password of a test";
const ORGANIZATION = "/api/0/organizations/umlaut/";

async function signUp(username: string): Promise<Browser> {
  const browser = new Browser();
  const user = { username, email: `${username}@example.com`, name: username, password: PASSWORD };
  expect((await browser.post(`${control}/api/0/users/`, user)).status).toBe(201);
  return browser;
}

/** What is the same however it was asked for: no times, ids of requests or limits. */
function comparable({ status, headers, body }: BrowserAnswer) {
  const { request_id: _, ...rest } = body;
  return { status, type: headers["content-type"], body: rest };
}

test("sign up at control, create an organization in de, invite a second user, use it by de's host and by control: the same answers; us's host says where it is", async () => {
  const ada = await signUp("ada");
  const organization = { slug: "umlaut", name: "Umlaut", locality: "de" };
  const created = await ada.post(`${control}/api/0/organizations/`, organization);
  expect(created).toMatchObject({ status: 201, body: { slug: "umlaut", locality: "de" } });
  // One cookie, which browsers send to control and to every locality.
  for (const origin of [control, us, de]) expect(ada.cookiesFor(origin + ORGANIZATION)).toEqual(["cellway_session"]);

  const invitation = { email: "grace@example.com", role: "MEMBER" };
  const invited = await ada.post(`${de}${ORGANIZATION}members/`, invitation);
  expect(invited.status).toBe(201);
  const { member, invite_token: inviteToken } = invited.body as { member: { id: string }; invite_token: string };

  const grace = await signUp("grace");
  expect((await grace.get(de + ORGANIZATION)).status).toBe(404);
  const accept = `${ORGANIZATION}members/${member.id}/accept/`;
  // By control's gateway, though she is not known in the cell yet.
  expect((await grace.post(control + accept, { invite_token: inviteToken })).status).toBe(200);
  await until("the cell knows her", async () => (await grace.get(de + ORGANIZATION)).status === 200);

  for (const browser of [ada, grace, new Browser()]) {
    for (const path of ["", "members/", "teams/", "projects/", "nothing/"]) {
      const [byRouter, byGateway] = await Promise.all(
        [de, control].map(async (origin) => comparable(await browser.get(origin + ORGANIZATION + path))),
      );
      expect(byGateway).toEqual(byRouter);
    }
    const target = `${ORGANIZATION}teams/?cursor=1`;
    const refused = await browser.get(us + target);
    expect(refused).toMatchObject({ status: 421, body: { code: "WRONG_LOCALITY", url: plain.de + target } });
  }
  expect((await new Browser().get(de + ORGANIZATION)).status).toBe(401);
  // What is done by one way is seen by the other.
  const team = await ada.post(`${control}${ORGANIZATION}teams/`, { slug: "core", name: "Core" });
  expect(team).toMatchObject({ status: 201, body: { slug: "core" } });
  expect(JSON.stringify((await grace.get(`${de}${ORGANIZATION}teams/`)).body)).toContain('"core"');

  // What answers say of the organization's address is where it is served.
  const { url } = (await ada.get(control + ORGANIZATION)).body as { url: string };
  expect(new URL(url).origin).toBe(plain.de);
  expect((await ada.get(`${control}/api/0/organizations/`)).body).toMatchObject([{ slug: "umlaut", locality: "de" }]);

  // At localhost itself a session is for control and its gateway; with a token made by it every host is reached.
  const { login, password } = { login: "ada", password: PASSWORD };
  const there = new Browser();
  expect((await there.post(`${plain.control}/api/0/auth/login/`, { login, password })).status).toBe(200);
  expect([there.cookiesFor(plain.control), there.cookiesFor(plain.de)]).toEqual([["cellway_session"], []]);
  expect((await there.get(plain.control + ORGANIZATION)).body).toMatchObject({ slug: "umlaut" });
  const wish = { name: "test", scopes: ["org:read"] };
  const { token } = (await there.post(`${plain.control}/api/0/api-tokens/`, wish)).body as { token: string };
  const bearer = new Browser({ authorization: `Bearer ${token}` });
  await until("the cell knows the token", async () => (await bearer.get(plain.de + ORGANIZATION)).status === 200);
  for (const path of ["", "nothing/"]) {
    const byRouter = comparable(await bearer.get(plain.de + ORGANIZATION + path));
    expect(comparable(await bearer.get(plain.control + ORGANIZATION + path))).toEqual(byRouter);
  }
  expect(await bearer.get(plain.us + ORGANIZATION)).toMatchObject({
    status: 421,
    body: { code: "WRONG_LOCALITY", url: plain.de + ORGANIZATION },
  });

  expect((await ada.post(`${control}/api/0/auth/logout/`, undefined)).status).toBe(200);
  expect(ada.cookiesFor(de)).toEqual([]);
  expect((await ada.get(de + ORGANIZATION)).status).toBe(401);
}, 60_000);
