import { connect } from "node:net";
import { createRpcError } from "@cellway/rpc";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { z } from "zod";
import { defineRoute, type PublicRoute } from "./route.js";
import { echo, MEMBER_TOKEN, type NoContext, numbers, old, startTestServer, type TestServer } from "./test-support.js";

let server: TestServer;
let failure: Error = new Error("unset");
const ECHO = "/api/0/organizations/acme/echo/";

const failing: PublicRoute<NoContext> = defineRoute({
  name: "fail",
  summary: "Fails.",
  method: "GET",
  path: "/api/0/fail/",
  localMode: "CELL",
  access: { kind: "anyone" },
  params: z.strictObject({}),
  response: z.object({}),
  handle: () => Promise.reject(failure),
});

beforeAll(async () => {
  server = await startTestServer([echo, numbers, old, failing]);
});
afterAll(() => server.close());

function post(path: string, body: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(server.address + path, {
    method: "POST",
    body,
    headers: { authorization: `Bearer ${MEMBER_TOKEN}`, "content-type": "application/json", ...headers },
  });
}

test("an answer holds what its schema names, and nothing else", async () => {
  const res = await post(ECHO, '{"name":"a"}');
  expect([res.status, await res.json()]).toEqual([201, { name: "a", organization_id: "42" }]);
  expect(res.headers.get("x-cellway-cell")).toBe("us1");
  expect(res.headers.get("cache-control")).toBe("no-store");
});

test("a request that breaks rules is 400, names each field, and keeps the request id of the caller", async () => {
  const res = await post(ECHO, '{"name":"","count":-1,"more":1}', { "x-request-id": "mine-1" });
  expect(res.headers.get("content-type")).toContain("application/problem+json");
  expect(await res.json()).toMatchObject({ status: 400, code: "INVALID_REQUEST", request_id: "mine-1" });
  const { errors } = (await (await post(ECHO, '{"name":"","count":-1}')).json()) as { errors: { field: string }[] };
  expect(errors.map(({ field }) => field)).toEqual(["body.name", "body.count"]);
});

test("a body that is no JSON, too large, of another type or not expected is refused", async () => {
  const statusOf = async (res: Promise<Response>) => (await res).status;
  expect(await statusOf(post(ECHO, "{"))).toBe(400);
  expect(await statusOf(post(ECHO, '{"__proto__":{"a":1},"name":"a"}'))).toBe(400);
  expect(await statusOf(post(ECHO, `{"name":${"[".repeat(60_000)}${"]".repeat(60_000)}}`))).toBe(400);
  expect(await statusOf(post(ECHO, JSON.stringify({ name: "a".repeat(300_000) })))).toBe(413);
  expect(await statusOf(post(ECHO, "name=a", { "content-type": "application/x-www-form-urlencoded" }))).toBe(415);
});

test("no token, a wrong one, a scope that is missing and an organization of others are told apart as little as may be", async () => {
  const none = await post(ECHO, "{}", { authorization: "" });
  expect([none.status, none.headers.get("www-authenticate")]).toEqual([401, 'Bearer realm="cellway"']);
  expect((await post(ECHO, "{}", { authorization: `Bearer cwu_${"x".repeat(43)}` })).status).toBe(401);
  const [unknown, foreign] = await Promise.all(
    ["nowhere", "41"].map(async (name) => (await post(`/api/0/organizations/${name}/echo/`, "{}")).json()),
  );
  const { request_id: _, ...rest } = unknown as Record<string, unknown>;
  expect(foreign).toMatchObject(rest);
  expect(rest).toMatchObject({ status: 404, code: "NOT_FOUND" });
});

test("tokens stand in no log line", async () => {
  await post(ECHO, "{", {});
  await fetch(`${server.address}/api/0/fail/`, { headers: { authorization: `Bearer ${MEMBER_TOKEN}` } });
  expect(server.log.join("")).toContain("an HTTP route failed");
  expect(server.log.join("")).not.toContain(MEMBER_TOKEN);
});

test("whoever follows the Link headers reads a whole list", async () => {
  const seen: number[] = [];
  for (let path: string | undefined = "/api/0/numbers/?per_page=2&cursor=0"; path !== undefined; ) {
    const res: Response = await fetch(server.address + path);
    seen.push(...((await res.json()) as number[]));
    path = /^<([^>]+)>; rel="next"$/.exec(res.headers.get("link") ?? "")?.[1];
  }
  expect(seen).toEqual([0, 1, 2, 3, 4, 5]);
  expect((await fetch(`${server.address}/api/0/numbers/?per_page=101`)).status).toBe(400);
});

test("a route that is to go says since when, until when, and what to call instead", async () => {
  const { headers } = await fetch(`${server.address}/api/0/old/a%20b/`, {
    headers: { authorization: `Bearer ${MEMBER_TOKEN}` },
  });
  expect(headers.get("deprecation")).toBe(`@${Date.UTC(2026, 10, 1) / 1000}`);
  expect(headers.get("sunset")).toBe("Mon, 01 Nov 2027 00:00:00 GMT");
  expect(headers.get("link")).toBe(
    '</api/0/things/a%20b/>; rel="successor-version", </api/0/old/a%20b/?cursor=2>; rel="next"',
  );
});

test("an error of a contract keeps its reason and field; one of the house tells nothing", async () => {
  const answer = async (error: Error) => {
    failure = error;
    return (await (await fetch(`${server.address}/api/0/fail/`)).json()) as Record<string, unknown>;
  };
  const metadata = { field: "slug" };
  const invalid = createRpcError(Code.InvalidArgument, "INVALID_FIELD", "slug: is reserved", { metadata });
  expect(await answer(invalid)).toMatchObject({ status: 400, code: "INVALID_FIELD", errors: [{ field: "slug" }] });
  const taken = createRpcError(Code.AlreadyExists, "TEAM_EXISTS", "There is one.");
  expect(await answer(taken)).toMatchObject({ status: 409, code: "TEAM_EXISTS", detail: "There is one." });
  const away = createRpcError(Code.Unavailable, "SILO_UNREACHABLE", "10.0.0.7 is down");
  expect(JSON.stringify(await answer(away))).not.toContain("10.0.0.7");
  const refused = createRpcError(Code.PermissionDenied, "CALLER_NOT_ALLOWED", "us1 may not call");
  expect(await answer(refused)).toMatchObject({ status: 500, code: "INTERNAL" });
});

test("a token, an address and an organization may each make so many requests a minute", async () => {
  let nowMs = 0;
  const limited = await startTestServer([echo], {
    routeLimits: { perToken: 2, perOrganization: 100, perStranger: 1 },
    now: () => nowMs,
  });
  const ask = (token: string) =>
    fetch(limited.address + ECHO, {
      method: "POST",
      body: '{"name":"a"}',
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    });
  expect([(await ask(MEMBER_TOKEN)).status, (await ask(MEMBER_TOKEN)).status]).toEqual([201, 201]);
  nowMs = 30_000;
  const refused = await ask(MEMBER_TOKEN);
  expect([refused.status, refused.headers.get("retry-after"), refused.headers.get("ratelimit-remaining")]).toEqual([
    429,
    "30",
    "0",
  ]);
  expect([(await ask("wrong")).status, (await ask("wrong")).status]).toEqual([401, 429]);
  nowMs = 60_000;
  expect((await ask(MEMBER_TOKEN)).status).toBe(201);
  await limited.close();
});

test("bytes that are no HTTP are answered with a problem, and the connection ends", async () => {
  const url = new URL(server.address);
  const text = await new Promise<string>((resolve, reject) => {
    let seen = "";
    const socket = connect(Number(url.port), url.hostname, () => void socket.write("NOT HTTP\r\n\r\n"));
    socket.on("data", (bytes) => {
      seen += bytes.toString();
    });
    socket.on("close", () => resolve(seen)).on("error", reject);
  });
  expect(text).toMatch(/^HTTP\/1\.1 400 [\s\S]*REQUEST_MALFORMED/);
});

test("requests are counted by route and status, and whoever is known is noted with the address", async () => {
  await post(ECHO, '{"name":"a"}');
  expect(await server.metrics.expose()).toMatch(/cellway_http_requests_total\{[^}]*route="echo",status="201"/);
  expect(server.noted).toContain("7 127.0.0.1");
});
