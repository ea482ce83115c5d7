import { afterAll, beforeAll, expect, test } from "@jest/globals";
import fc from "fast-check";
import { z } from "zod";
import { parseTrustedProxies } from "../trusted-proxies.js";
import { defineRoute, type PublicRoute } from "./route.js";
import { readSessionCookies } from "./session-cookie.js";
import {
  echo,
  MEMBER_SESSION,
  MEMBER_TOKEN,
  type NoContext,
  startTestServer,
  type TestServer,
} from "./test-support.js";

const ECHO = "/api/0/organizations/acme/echo/";
const COOKIE = `cellway_session=${MEMBER_SESSION}`;
const END = new Date(Date.now() + 3_600_000);

const logIn: PublicRoute<NoContext> = defineRoute({
  name: "logIn",
  summary: "Gives a session.",
  method: "POST",
  path: "/login/",
  localMode: "CELL",
  access: { kind: "anyone" },
  handlesSessions: true,
  rateLimits: [{ of: "account", perMinute: 2, keyOf: ({ body }) => (body as { login: string }).login }],
  params: z.strictObject({}),
  body: z.strictObject({ login: z.string() }),
  response: z.object({ user_agent: z.string() }),
  async handle({ sessionClient }) {
    return {
      body: { user_agent: sessionClient?.userAgent ?? "" },
      session: { token: MEMBER_SESSION, expiresAt: END },
    };
  },
});
const logOut: PublicRoute<NoContext> = defineRoute({
  name: "logOut",
  summary: "Takes sessions.",
  method: "POST",
  path: "/logout/",
  localMode: "CELL",
  access: { kind: "anyone" },
  handlesSessions: true,
  params: z.strictObject({}),
  response: z.object({ count: z.int() }),
  handle: async ({ sessionClient }) => ({ body: { count: sessionClient?.secrets.length ?? -1 }, session: null }),
});

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer([echo, logIn, logOut], {
    trust: {
      trustedProxies: parseTrustedProxies(["127.0.0.1"]),
      allowedOrigins: new Set(["https://app.example.com"]),
    },
    sessionCookie: { domain: "example.com" },
  });
});
afterAll(() => server.close());

async function post(path: string, headers: Record<string, string>, body?: string, at = server) {
  const res = await fetch(at.address + path, {
    method: "POST",
    headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
    ...(body === undefined ? {} : { body }),
  });
  const { code } = (await res.json()) as { code?: string };
  return { status: res.status, code, cookies: res.headers.getSetCookie() };
}
const echoWith = (headers: Record<string, string>) => post(ECHO, { cookie: COOKIE, ...headers }, '{"name":"a"}');

test("a session cookie speaks for its user, with every scope, beside other cookies", async () => {
  const origin = server.address;
  expect((await echoWith({ origin })).status).toBe(201);
  expect((await echoWith({ origin, cookie: `a=1; ${COOKIE}; cellway_session2=x` })).status).toBe(201);
  expect((await echoWith({ "sec-fetch-site": "same-origin" })).status).toBe(201);
});

test("a session cookie that is tampered with, empty, none or far too long is refused", async () => {
  const origin = server.address;
  const statusOf = async (cookie: string) => {
    const { status, code } = await echoWith({ origin, cookie });
    return [status, code];
  };
  const refused = [401, "SESSION_INVALID"];
  expect(await statusOf(`${COOKIE.slice(0, -1)}n`)).toEqual(refused);
  expect(await statusOf(`${COOKIE}m`)).toEqual(refused);
  expect(await statusOf("cellway_session=")).toEqual(refused);
  expect(await statusOf(`cellway_session=${MEMBER_TOKEN}`)).toEqual(refused);
  expect(await statusOf(`cellway_session=${"x".repeat(8_000)}`)).toEqual(refused);
  expect(await statusOf("CELLWAY_SESSION=x; =x; ;;; cellway_session")).toEqual([401, "TOKEN_MISSING"]);
  const res = await fetch(server.address + ECHO, { headers: { cookie: `cellway_session=${"x".repeat(20_000)}` } });
  expect([res.status, await res.json()]).toMatchObject([431, { code: "REQUEST_MALFORMED" }]);
});

test("whatever stands in a cookie header, no secret is read that is not the whole value of that name", () => {
  const piece = fc.oneof(
    fc.constantFrom(
      "cellway_session",
      "=",
      ";",
      "; ",
      MEMBER_SESSION,
      `cellway_session=${MEMBER_SESSION}`,
      "a=b",
      '"',
      ",",
    ),
    fc.string({ unit: "binary-ascii", maxLength: 6 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const cookie = pieces.join("");
      const pairs = cookie.split(";").map((pair) => pair.trim());
      for (const secret of readSessionCookies({ headers: { cookie } })) {
        expect(pairs.some((pair) => /^cellway_session\s*=\s*/.test(pair) && pair.endsWith(secret))).toBe(true);
        expect(secret).not.toContain(";");
      }
    }),
    { numRuns: 5_000 },
  );
});

test("of several different sessions none is taken, and all are taken away; the same one twice is one", async () => {
  const origin = server.address;
  const several = await echoWith({ origin, cookie: `${COOKIE}; cellway_session=cws_other` });
  expect(several).toMatchObject({ status: 401, code: "SESSION_AMBIGUOUS" });
  expect(several.cookies).toEqual([
    "cellway_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax",
    "cellway_session=; Path=/; Max-Age=0; Domain=example.com; HttpOnly; SameSite=Lax",
  ]);
  expect((await echoWith({ origin, cookie: `${COOKIE}; ${COOKIE}` })).status).toBe(201);
});

test("a bearer token wins over a cookie, also when it is not accepted, and needs no origin", async () => {
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  expect((await echoWith(bearer(MEMBER_TOKEN))).status).toBe(201);
  expect((await echoWith({ ...bearer(MEMBER_TOKEN), origin: "https://evil.example" })).status).toBe(201);
  expect(await echoWith({ ...bearer("wrong"), origin: server.address })).toMatchObject({
    status: 401,
    code: "TOKEN_INVALID",
  });
  expect((await echoWith({ ...bearer(MEMBER_SESSION), origin: server.address })).status).toBe(401);
  expect((await echoWith({ authorization: "Basic YTpi", origin: server.address })).status).toBe(201);
});

test.each<[string, Record<string, string>]>([
  ["says nothing of where it comes from", {}],
  ["comes from another site", { origin: "https://evil.example" }],
  ["comes from another port", { origin: "http://127.0.0.1:1" }],
  ["comes from a host that only begins alike", { origin: "http://HOST.evil.example" }],
  ["comes from a page without an origin", { origin: "null" }],
  ["comes from a sister site", { "sec-fetch-site": "same-site" }],
  ["comes from elsewhere by its fetch metadata", { "sec-fetch-site": "cross-site" }],
  ["came by https and says http", { origin: "http://HOST", "x-forwarded-proto": "https" }],
])("a request with a cookie that %s changes nothing", async (_why, headers) => {
  const host = new URL(server.address).host;
  const own = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.replace("HOST", host)]));
  expect(await echoWith(own)).toMatchObject({ status: 403, code: "ORIGIN_NOT_ALLOWED" });
});

test("allowed origins are let through, and the host that a trusted proxy was asked for is the own one", async () => {
  expect((await echoWith({ origin: "https://app.example.com" })).status).toBe(201);
  const asked = { "x-forwarded-host": "us.example.com", "x-forwarded-proto": "https" };
  expect((await echoWith({ ...asked, origin: "https://us.example.com" })).status).toBe(201);
  expect((await echoWith({ ...asked, origin: "https://us.example.com:443" })).status).toBe(201);
});

test("a browser lets pages of allowed origins send cookies and read answers, and no others", async () => {
  const preflight = (origin: string) =>
    fetch(server.address + ECHO, {
      method: "OPTIONS",
      headers: {
        origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
      },
    });
  const allowed = await preflight("https://app.example.com");
  expect([allowed.status, Object.fromEntries(allowed.headers)]).toMatchObject([
    204,
    {
      "access-control-allow-origin": "https://app.example.com",
      "access-control-allow-credentials": "true",
      "access-control-allow-methods": expect.stringContaining("POST"),
      "access-control-allow-headers": expect.stringContaining("content-type"),
      vary: "origin",
    },
  ]);
  for (const origin of ["https://evil.example", "https://app.example.com.evil.example", "null", server.address]) {
    const refused = await preflight(origin);
    expect([refused.status, refused.headers.get("access-control-allow-origin")]).toEqual([404, null]);
  }
  const read = async (origin: string) =>
    (await fetch(`${server.address}/api/0/openapi.json`, { headers: { origin } })).headers;
  expect((await read("https://app.example.com")).get("access-control-allow-origin")).toBe("https://app.example.com");
  const other = await read("https://evil.example");
  expect([other.get("access-control-allow-origin"), other.get("vary")]).toEqual([null, "origin"]);
  const silent = await startTestServer([echo]);
  const { headers } = await fetch(silent.address + ECHO, { method: "OPTIONS", headers: { origin: silent.address } });
  expect([headers.get("access-control-allow-origin"), headers.get("vary")]).toEqual([null, null]);
  await silent.close();
});

test("a login sets a cookie that scripts and other sites cannot use, and that is Secure where the client came by https", async () => {
  const attributes = async (headers: Record<string, string>, at = server) =>
    (await post("/login/", headers, JSON.stringify({ login: Math.random().toString() }), at)).cookies;
  const [former, plain = ""] = await attributes({});
  expect(former).toBe("cellway_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
  expect(plain).toMatch(
    /^cellway_session=cws_m+; Path=\/; Max-Age=3[56]\d\d; Domain=example\.com; HttpOnly; SameSite=Lax$/,
  );
  expect((await attributes({ "x-forwarded-proto": "https" })).at(-1)).toMatch(/; Secure$/);
  const always = await startTestServer([logIn], { sessionCookie: { isAlwaysSecure: true } });
  expect((await attributes({}, always))[0]).toMatch(/Max-Age=\d+; HttpOnly; SameSite=Lax; Secure$/);
  await always.close();
});

test("no other site logs anybody in or out; a client that is no browser need not say where it comes from", async () => {
  const body = JSON.stringify({ login: "me" });
  expect(await post("/login/", { origin: "https://evil.example" }, body)).toMatchObject({ status: 403, cookies: [] });
  expect(await post("/logout/", { cookie: COOKIE, "sec-fetch-site": "cross-site" })).toMatchObject({ status: 403 });
  expect((await post("/login/", {}, body)).status).toBe(200);
  expect((await post("/logout/", { cookie: COOKIE })).cookies).toHaveLength(2);
});

test("a route's own limit counts by its own key", async () => {
  const ask = async (login: string) => (await post("/login/", {}, JSON.stringify({ login }))).status;
  expect([await ask("ada"), await ask("ada"), await ask("ada"), await ask("bob")]).toEqual([200, 200, 429, 200]);
});
