import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type IncomingHttpHeaders } from "node:http2";
import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { HOSTS, ROUTER, sendTo, startIngest } from "./ingest-router-stage.js";
import {
  addProject,
  createEnvelope,
  createTestProject,
  flushCell,
  modulesWithIngest,
  newEventId,
  sentryAuth,
  storedFor,
  type TestProject,
} from "./ingest-stage.js";
import { until } from "./organizations.js";
import { announce, startCellListener } from "./router-stage.js";

const UNKNOWN = "f".repeat(32);

let fleet: Fleet;
let router: Awaited<ReturnType<typeof startIngest>>;
let us1: TestProject;
let us2: TestProject;
let de1: TestProject;

beforeAll(async () => {
  fleet = await startFleet({ modules: modulesWithIngest({ relays: ROUTER.keys }) });
  [us1, us2, de1] = [
    await createTestProject(fleet, "us1"),
    await createTestProject(fleet, "us2"),
    await createTestProject(fleet, "de1"),
  ];
});
afterAll(() => fleet?.stop());

beforeEach(async () => {
  for (const name of ["us1", "us2", "de1"]) await announce(fleet, name, fleet.cell(name).httpAddress);
  router = await startIngest(fleet, { operatorToken: "o".repeat(32) });
  await router.whenComplete;
});
afterEach(() => router?.stop());

const pathOf = ({ projectId }: TestProject) => `/api/${projectId}/envelope/`;

describe("an event reaches the cell of its key, and no other", () => {
  test.each([
    ["us1", () => us1],
    ["us2", () => us2],
    ["de1", () => de1],
  ])("in %s, at a host without a locality", async (_cell, projectOf) => {
    const project = projectOf();
    const eventId = newEventId();
    const answer = await sendTo(router, pathOf(project), {
      body: createEnvelope(eventId),
      headers: sentryAuth(project),
    });
    expect(answer).toMatchObject({ status: 200, json: { id: eventId } });
    expect((await storedFor(fleet, project)).at(-1)?.event_id).toBe(eventId);
  });

  test("by the query, by the user of the address, by the DSN in the envelope, with a port in the host", async () => {
    const { publicKey, projectId } = us2;
    const authorization = `Basic ${Buffer.from(`${publicKey}:`).toString("base64")}`;
    const dsn = `https://${publicKey}@in.example.test/${projectId}`;
    const answers = [
      await sendTo(router, `${pathOf(us2)}?sentry_key=${publicKey}`, { body: createEnvelope(newEventId()) }),
      await sendTo(router, pathOf(us2), { body: createEnvelope(newEventId()), headers: { authorization } }),
      await sendTo(router, pathOf(us2), { body: createEnvelope(newEventId(), { dsn }) }),
      await sendTo(router, pathOf(us2), {
        body: createEnvelope(newEventId()),
        headers: sentryAuth(us2),
        host: "US.in.example.test.:443",
      }),
      await sendTo(router, `/api/${projectId}/store/`, { body: "{}", headers: sentryAuth(us2) }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
  });

  test("byte for byte, whatever its size, also when its key was looked for in its first line", async () => {
    const { publicKey, projectId } = us2;
    const dsn = `https://${publicKey}@in.example.test/${projectId}`;
    const body = Buffer.concat([Buffer.from(createEnvelope(newEventId(), { dsn })), randomBytes(3 * 1_024 * 1_024)]);
    for (const headers of [{}, { "transfer-encoding": "chunked" }])
      expect(await sendTo(router, pathOf(us2), { body, headers })).toMatchObject({ status: 200 });
    const rows = (await storedFor(fleet, us2)).slice(-2);
    expect(rows.map((row) => row.body.equals(body))).toEqual([true, true]);
  });

  test("over HTTP/2 as well, with a key in its first line; a browser is told what it may", async () => {
    const { publicKey, projectId } = us2;
    const dsn = `https://${publicKey}@in.example.test/${projectId}`;
    const body = Buffer.concat([Buffer.from(createEnvelope(newEventId(), { dsn })), randomBytes(300_000)]);
    const session = connect(router.address);
    const ask = async (method: string) => {
      const path = { ":method": method, ":path": pathOf(us2), ":authority": HOSTS.legacy };
      const stream = session.request(path, { endStream: method === "OPTIONS" });
      stream.resume();
      if (method === "POST") stream.end(body);
      return ((await once(stream, "response")) as [IncomingHttpHeaders])[0];
    };
    const any = { "access-control-allow-origin": "*" };
    expect(await ask("OPTIONS")).toMatchObject({ ":status": 204, ...any });
    expect(await ask("POST")).toMatchObject({ ":status": 200, ...any });
    session.destroy();
    expect((await storedFor(fleet, us2)).at(-1)?.body.equals(body)).toBe(true);
  });

  test("at its ingest address, where that is not its HTTP address", async () => {
    const apart = await startCellListener("us1-ingest");
    const update = (ingestAddress: string) =>
      fleet
        .client(DirectoryService)
        .updateCell({ name: "us1", ingestAddress, updateMask: { paths: ["ingest_address"] } });
    await update(apart.address);
    const sendOne = () => sendTo(router, pathOf(us1), { body: "{}\n", headers: sentryAuth(us1) });
    await until("the router has heard of it", async () => (await sendOne()).text === "us1-ingest");
    await update("");
    await until("the router has heard that it is gone", async () => (await sendOne()).text !== "us1-ingest");
    await apart.stop();
  });
});

test("a key of another locality is refused with 421 and the right address, and never sent there", async () => {
  const before = (await storedFor(fleet, de1)).length;
  const answer = await sendTo(router, pathOf(de1), { body: "{}\n", headers: sentryAuth(de1), host: HOSTS.us });
  const url = `https://de.in.example.test${pathOf(de1)}`;
  expect(answer).toMatchObject({ status: 421, json: { code: "WRONG_LOCALITY", locality: "de", url } });
  const only = await startIngest(fleet, { localities: ["us"] });
  await only.whenComplete;
  const legacy = await sendTo(only, pathOf(de1), { body: "{}\n", headers: sentryAuth(de1) });
  expect(legacy).toMatchObject({ status: 421, json: { code: "WRONG_LOCALITY", url } });
  await only.stop();
  expect(await storedFor(fleet, de1)).toHaveLength(before);
});

const REFUSALS = [
  ["a host that is not served", 404, "HOST_UNKNOWN", { host: "fr.in.example.test" }],
  ["no key", 401, "PROJECT_KEY_MISSING", { body: "{}\n" }],
  ["half a key", 401, "PROJECT_KEY_MALFORMED", { headers: { "x-sentry-auth": "Sentry sentry_key=a" } }],
  ["a key that there is not", 404, "PROJECT_KEY_NOT_FOUND", { headers: sentryAuth({ publicKey: UNKNOWN }) }],
] as const;

test("nothing but events is taken in", async () => {
  expect(await sendTo(router, "/api/0/organizations/")).toMatchObject({ status: 404, json: { code: "PATH_UNKNOWN" } });
});

test.each(REFUSALS)("%s: %i %s, and a browser may read it", async (_what, status, code, sending) => {
  const answer = await sendTo(router, pathOf(us1), sending);
  expect(answer).toMatchObject({ status, json: { code } });
  expect(answer.headers["access-control-allow-origin"]).toBe("*");
});

test("a browser is told once that any page may send: by the cell, or where there is none by the router", async () => {
  const preflight = await sendTo(router, pathOf(us1), {
    method: "OPTIONS",
    headers: { origin: "https://shop.example" },
  });
  expect(preflight.status).toBe(204);
  expect(preflight.headers["access-control-allow-headers"]).toContain("x-sentry-auth");
  const answer = await sendTo(router, pathOf(us1), { body: "{}\n", headers: sentryAuth(us1) });
  expect(answer).toMatchObject({ status: 200, headers: { "access-control-allow-origin": "*" } });
});

test("defect 1: a key of a moved organization reaches its new cell: the old one says 421, and it is sent again, once", async () => {
  const [old, home] = [await startCellListener("us1"), await startCellListener("us2")];
  await announce(fleet, "us1", old.address);
  await announce(fleet, "us2", home.address);
  const moved = await createTestProject(fleet, "us1");
  const sendOne = () => sendTo(router, pathOf(moved), { body: "{}\n", headers: sentryAuth(moved) });
  await until("the old cell is asked", async () => (await sendOne()).text === "us1");
  old.listener = (_req, res) => void res.writeHead(421).end();
  expect(await sendOne()).toMatchObject({ status: 503, json: { code: "ROUTE_CHANGED" } });
  // The move is committed while the old cell has the request: the router cannot know it from the feed.
  const sql = "update control.organization_mapping set cell_name = 'us2' where organization_id = $1";
  const control = fleet.control.database("CONTROL");
  old.listener = (_req, res) => void control.query(sql, [moved.organization.id]).then(() => res.writeHead(421).end());
  const before = home.asked.length;
  expect(await sendOne()).toMatchObject({ status: 200, text: "us2" });
  expect(home.asked.length - before).toBe(1);
  await Promise.all([home.stop(), old.stop()]);
});

test("defect 3: a key that is deleted is gone from the router without a restart", async () => {
  const gone = await addProject(fleet, us1.organization);
  await flushCell(fleet, us1.organization);
  const sendOne = () => sendTo(router, pathOf(gone), { body: "{}\n", headers: sentryAuth(gone) });
  expect((await sendOne()).status).toBe(200);
  const { id: organizationId } = us1.organization;
  await fleet.client(OrganizationService).deleteProjectKey({ organizationId, keyId: gone.keyId });
  await flushCell(fleet, us1.organization);
  await until("the key is gone", async () => (await sendOne()).json["code"] === "PROJECT_KEY_NOT_FOUND");
});

test("an operator is told by which key and to which cell a request goes, nobody else", async () => {
  const sending = { body: "{}\n", headers: { ...sentryAuth(us2), "x-cellway-explain": "o".repeat(32) } };
  const answer = await sendTo(router, pathOf(us2), sending);
  expect(JSON.parse(String(answer.headers["x-cellway-explain"]))).toMatchObject({
    rule: `project key ${us2.publicKey}`,
    cell: "us2",
    locality: "us",
  });
  const other = await sendTo(router, pathOf(us2), { ...sending, headers: sentryAuth(us2) });
  expect(other.headers).not.toHaveProperty("x-cellway-explain");
});

test("what a cell refuses before it has read a large body is answered as the cell says, and the next request is served", async () => {
  const body = randomBytes(5 * 1_024 * 1_024);
  for (const headers of [sentryAuth(us2), { ...sentryAuth(us2), "transfer-encoding": "chunked" }]) {
    const answer = await sendTo(router, pathOf(us1), { body, headers });
    expect(answer).toMatchObject({ status: 403, json: { code: "PROJECT_MISMATCH" } });
  }
  expect((await sendTo(router, pathOf(us2), { body: "{}\n", headers: sentryAuth(us2) })).status).toBe(200);
});

test("what a cell says of limits reaches the SDK", async () => {
  const busy = await startCellListener("us1");
  busy.listener = (_req, res) =>
    void res.writeHead(429, { "retry-after": "7", "x-sentry-rate-limits": "7::key:key_rate" }).end();
  await announce(fleet, "us1", busy.address);
  const sendOne = () => sendTo(router, pathOf(us1), { body: "{}\n", headers: sentryAuth(us1) });
  await until("the busy cell is asked", async () => (await sendOne()).status === 429);
  expect((await sendOne()).headers).toMatchObject({ "retry-after": "7", "x-sentry-rate-limits": "7::key:key_rate" });
  await busy.stop();
});

test("it is ready once it knows all routes, and counts what it sends where", async () => {
  await sendTo(router, pathOf(us1), { body: "{}\n", headers: sentryAuth(us1) });
  const ready = await fetch(`${router.adminAddress}/readyz`);
  expect(await ready.json()).toMatchObject({ ready: true, edge: "us-ingest", loaded: true });
  expect(await (await fetch(`${router.adminAddress}/metrics`)).text()).toContain(
    'cellway_edge_requests_total{cell="us1",status="200"',
  );
});
