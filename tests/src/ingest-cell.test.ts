import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import {
  addProject,
  createEnvelope,
  createTestProject,
  modulesWithIngest,
  newEventId,
  send,
  sentryAuth,
  storedFor,
  type TestProject,
} from "./ingest-stage.js";
import { until } from "./organizations.js";
import { announce } from "./router-stage.js";

const STORED_MAX_BYTES = 200_000;

let fleet: Fleet;
/** How far the clock of the fleet is ahead. */
let aheadMs = 0;
let project: TestProject;
let us1: string;

beforeAll(async () => {
  const limits = { keyRequestsPerMinute: 100, storedMaxBytes: STORED_MAX_BYTES, envelopeMaxBytes: 64 * 1_024 };
  fleet = await startFleet({ modules: modulesWithIngest({ limits }), now: () => Date.now() + aheadMs });
  project = await createTestProject(fleet, "us1");
  us1 = fleet.cell("us1").httpAddress;
});

afterAll(() => fleet?.stop());

const envelopePath = ({ projectId }: TestProject) => `/api/${projectId}/envelope/`;

test("an envelope is stored byte for byte, and its event's id is answered", async () => {
  const eventId = newEventId();
  const body = createEnvelope(eventId);
  const answer = await send(us1, envelopePath(project), { body, headers: sentryAuth(project) });
  expect(answer).toMatchObject({ status: 200, json: { id: eventId } });
  const row = (await storedFor(fleet, project)).at(-1);
  expect(row).toMatchObject({ endpoint: "envelope", event_id: eventId, content_encoding: "", client: "test/1.0" });
  expect(row?.body.toString()).toBe(body);
});

test.each([
  ["gzip", gzipSync],
  ["deflate", deflateSync],
  ["br", brotliCompressSync],
] as const)(
  "an envelope in %s is stored as it was sent, and its event's id is answered",
  async (encoding, compress) => {
    const eventId = newEventId();
    const body = compress(Buffer.from(createEnvelope(eventId)));
    const headers = { ...sentryAuth(project), "content-encoding": encoding };
    expect(await send(us1, envelopePath(project), { body, headers })).toMatchObject({
      status: 200,
      json: { id: eventId },
    });
    const row = (await storedFor(fleet, project)).at(-1);
    expect(row).toMatchObject({ event_id: eventId, content_encoding: encoding });
    expect(row?.body.equals(body)).toBe(true);
  },
);

test("an envelope in zstd, which is not unpacked here, is stored as it was sent, and no id is answered", async () => {
  const body = Buffer.from("28b52ffd0000", "hex");
  const headers = { ...sentryAuth(project), "content-encoding": "zstd" };
  expect(await send(us1, envelopePath(project), { body, headers })).toMatchObject({ status: 200, json: {} });
  expect((await storedFor(fleet, project)).at(-1)).toMatchObject({ event_id: null, content_encoding: "zstd" });
});

test("an event without an id, sent to store, gets one", async () => {
  const body = JSON.stringify({ message: "hello" });
  const answer = await send(us1, `/api/${project.projectId}/store/`, { body, headers: sentryAuth(project) });
  expect(answer).toMatchObject({ status: 200, json: { id: expect.stringMatching(/^[0-9a-f]{32}$/) } });
  expect((await storedFor(fleet, project)).at(-1)).toMatchObject({ endpoint: "store", event_id: answer.json["id"] });
});

test("the key may be in X-Sentry-Auth, the query, the user of the address, or the envelope's own DSN", async () => {
  const { publicKey, projectId } = project;
  const path = envelopePath(project);
  const body = createEnvelope(newEventId());
  const basic = `Basic ${Buffer.from(`${publicKey}:`).toString("base64")}`;
  const tunnelled = createEnvelope(newEventId(), { dsn: `http://${publicKey}@localhost:8102/${projectId}` });
  const answers = [
    await send(us1, path, { body, headers: sentryAuth(project) }),
    await send(us1, `${path}?sentry_version=7&sentry_key=${publicKey}`, { body }),
    await send(us1, path, { body, headers: { authorization: basic } }),
    await send(us1, path, { body, headers: { authorization: `Sentry sentry_key=${publicKey}` } }),
    await send(us1, path, { body: tunnelled }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
});

describe("what is refused is not stored", () => {
  const cases: readonly [string, number, string, () => Parameters<typeof send>[2]][] = [
    ["no key", 401, "PROJECT_KEY_MISSING", () => ({ body: createEnvelope(newEventId()) })],
    ["half a key", 401, "PROJECT_KEY_MALFORMED", () => ({ headers: { "x-sentry-auth": "Sentry sentry_key=abc" } })],
    [
      "a key that there is not",
      404,
      "PROJECT_KEY_NOT_FOUND",
      () => ({ headers: sentryAuth({ publicKey: "0".repeat(32) }) }),
    ],
    ["no envelope", 400, "ENVELOPE_INVALID", () => ({ body: "hello\n", headers: sentryAuth(project) })],
    ["a wrong event id", 400, "ENVELOPE_INVALID", () => ({ body: '{"event_id":"x"}\n', headers: sentryAuth(project) })],
    [
      "another encoding than said",
      400,
      "ENVELOPE_INVALID",
      () => ({ body: "hello", headers: { ...sentryAuth(project), "content-encoding": "gzip" } }),
    ],
    [
      "an unknown encoding",
      415,
      "ENCODING_UNSUPPORTED",
      () => ({ body: "hello", headers: { ...sentryAuth(project), "content-encoding": "lzma" } }),
    ],
    ["too much", 413, "BODY_TOO_LARGE", () => ({ body: Buffer.alloc(64 * 1_024 + 1), headers: sentryAuth(project) })],
    [
      "too much of unknown length",
      413,
      "BODY_TOO_LARGE",
      () => ({
        body: Buffer.alloc(64 * 1_024 + 1),
        headers: { ...sentryAuth(project), "transfer-encoding": "chunked" },
      }),
    ],
  ];

  test.each(cases)("%s: %i %s", async (_what, status, code, sending) => {
    const before = (await storedFor(fleet, project)).length;
    const answer = await send(us1, envelopePath(project), sending());
    expect(answer).toMatchObject({ status, json: { code, status } });
    expect(answer.headers["x-sentry-error"]).toBe(answer.json["detail"]);
    expect(answer.headers["access-control-allow-origin"]).toBe("*");
    expect(await storedFor(fleet, project)).toHaveLength(before);
  });

  test("a key of another project of the same organization: 403", async () => {
    const other = await addProject(fleet, project.organization);
    const sending = { body: createEnvelope(newEventId()), headers: sentryAuth(other) };
    expect(await send(us1, envelopePath(project), sending)).toMatchObject({
      status: 403,
      json: { code: "PROJECT_MISMATCH" },
    });
    expect(await send(us1, envelopePath(other), sending)).toMatchObject({ status: 200 });
  });

  test("a key of another cell: 404 to a stranger, 421 to a router, which then asks where it is", async () => {
    const sending = { body: createEnvelope(newEventId()), headers: sentryAuth(project) };
    const us2 = fleet.cell("us2").httpAddress;
    expect(await send(us2, envelopePath(project), sending)).toMatchObject({ status: 404 });
    const routed = { ...sending, headers: { ...sending.headers, "x-cellway-cell": "us2" } };
    expect(await send(us2, envelopePath(project), routed)).toMatchObject({
      status: 421,
      json: { code: "PROJECT_KEY_ELSEWHERE" },
    });
  });

  test("a key that was deleted, five seconds later at most", async () => {
    const gone = await addProject(fleet, project.organization);
    const sending = { body: createEnvelope(newEventId()), headers: sentryAuth(gone) };
    expect(await send(us1, envelopePath(gone), sending)).toMatchObject({ status: 200 });
    const { id: organizationId } = gone.organization;
    await fleet.client(OrganizationService).deleteProjectKey({ organizationId, keyId: gone.keyId });
    aheadMs += 5_001;
    expect(await send(us1, envelopePath(gone), sending)).toMatchObject({ status: 404 });
  });
});

test("what arrives at control is sent on to the cell of its key, and stored there alone", async () => {
  await announce(fleet, "us1", us1);
  const eventId = newEventId();
  const sending = { body: createEnvelope(eventId), headers: sentryAuth(project) };
  const control = fleet.control.httpAddress;
  await until(
    "control knows the address",
    async () => (await send(control, envelopePath(project), sending)).status === 200,
  );
  expect((await storedFor(fleet, project)).at(-1)).toMatchObject({ event_id: eventId });
});

test("a browser's preflight is answered without a key", async () => {
  const answer = await send(us1, envelopePath(project), {
    method: "OPTIONS",
    headers: { origin: "https://shop.example", "access-control-request-method": "POST" },
  });
  expect(answer.status).toBe(204);
  expect(answer.headers).toMatchObject({ "access-control-allow-origin": "*", "access-control-allow-methods": "POST" });
  expect(answer.headers["access-control-allow-headers"]).toContain("x-sentry-auth");
});

test("a key that sends too often is told how long to wait, in both languages, and others are not slowed", async () => {
  aheadMs += 60_000;
  const loud = await addProject(fleet, project.organization);
  const sendOne = (from: TestProject) => send(us1, envelopePath(from), { body: "{}\n", headers: sentryAuth(from) });
  for (let sent = 0; sent < 100; sent += 1) await sendOne(loud);
  const answer = await sendOne(loud);
  expect(answer).toMatchObject({ status: 429, json: { code: "KEY_RATE_LIMITED" } });
  const seconds = Number(answer.headers["retry-after"]);
  expect(seconds).toBeGreaterThan(0);
  expect(answer.headers["x-sentry-rate-limits"]).toBe(`${seconds}::key:key_rate`);
  expect((await sendOne(project)).status).toBe(200);
});

test("a cell that is full takes nothing in until what it keeps has expired", async () => {
  aheadMs += 60_000;
  const body = `{}\n${"x".repeat(60_000)}`;
  const sendOne = () => send(us1, envelopePath(project), { body, headers: sentryAuth(project) });
  const answers = [];
  for (let sent = 0; sent < 5; sent += 1) answers.push(await sendOne());
  const last = answers.at(-1);
  expect(answers[0]?.status).toBe(200);
  expect(last).toMatchObject({ status: 429, json: { code: "STORAGE_FULL" } });
  expect(last?.headers["x-sentry-rate-limits"]).toBe("60::organization:storage_full");
  aheadMs += 3 * 24 * 3_600_000 + 1;
  await fleet.cell("us1").tasks.runNow("ingest.drop-expired-envelopes");
  expect(await storedFor(fleet, project)).toEqual([]);
  expect((await sendOne()).status).toBe(200);
});

test("an organization that is purged takes what was stored for it along", async () => {
  const gone = await createTestProject(fleet, "us1");
  await send(us1, envelopePath(gone), { body: createEnvelope(newEventId()), headers: sentryAuth(gone) });
  expect(await storedFor(fleet, gone)).toHaveLength(1);
  await fleet.cell("us1").database("CELL").query("delete from cell.organization where id = $1", [gone.organization.id]);
  expect(await storedFor(fleet, gone)).toEqual([]);
});
