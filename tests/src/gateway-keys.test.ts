import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { explainKeyFault } from "@cellway/ingest-protocol";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { type GatewayStage, startGatewayStage } from "./gateway-stage.js";
import { until } from "./organizations.js";
import { startCellListener } from "./router-stage.js";

const KEY = "0123456789abcdef0123456789abcdef";
const UNKNOWN = "f".repeat(32);
const ENVELOPE = "/api/7/envelope/";

let stage: GatewayStage;
beforeAll(async () => {
  stage = await startGatewayStage();
});
afterAll(() => stage?.stop());
beforeEach(async () => {
  await stage.reset();
  await stage.writer.addKey(stage.ids.umlaut, KEY);
});
afterEach(() => stage.stopCells());

const embed = (dsn: string) => `/api/embed/error-page/?dsn=${encodeURIComponent(dsn)}&eventId=1`;
const count = (rule: string) => stage.fleet.control.metrics.value("cellway_gateway_requests_total", { rule });

test.each<[string, string, Record<string, string>]>([
  ["X-Sentry-Auth", ENVELOPE, { "x-sentry-auth": `Sentry sentry_version=7, sentry_key=${KEY}, sentry_client=a/1` }],
  ["Authorization", ENVELOPE, { authorization: `Sentry sentry_key=${KEY}, sentry_version=7` }],
  ["the user of a DSN", "/api/7/store/", { authorization: `Basic ${Buffer.from(`${KEY}:`).toString("base64")}` }],
  ["the query", `${ENVELOPE}?sentry_key=${KEY}`, {}],
  ["the query, for an endpoint of later", `/api/7/minidump/?sentry_key=${KEY}`, {}],
])("what an SDK sends goes to the cell of the public key in %s, with its body", async (_where, target, headers) => {
  stage.cell("de1").listener = (req, res) => void req.pipe(res);
  const answer = await stage.ask(target, { method: "POST", headers, body: "not read here" });
  expect(answer).toMatchObject({ status: 200, text: "not read here" });
  expect(stage.cell("de1").asked).toEqual([target]);
});

test("why a key is refused is said as cells and ingest routers say it", async () => {
  const faults: [string, Parameters<typeof explainKeyFault>[0]][] = [
    [ENVELOPE, { kind: "none" }],
    [`${ENVELOPE}?sentry_key=abc`, { kind: "malformed", from: "sentry_key" }],
  ];
  for (const [target, fault] of faults)
    expect(JSON.parse((await stage.ask(target)).text)).toMatchObject(explainKeyFault(fault));
});

test.each<[string, string, number, string]>([
  ["without a key", ENVELOPE, 401, "PROJECT_KEY_MISSING"],
  ["with what is no key", `${ENVELOPE}?sentry_key=abc`, 401, "PROJECT_KEY_MALFORMED"],
  ["with a key that nobody has", `${ENVELOPE}?sentry_key=${UNKNOWN}`, 404, "PROJECT_KEY_NOT_FOUND"],
  ["embedded without a DSN", "/api/embed/error-page/", 401, "PROJECT_KEY_MISSING"],
  ["embedded with a DSN that is none", embed("https://abc@sentry.test/7"), 401, "PROJECT_KEY_MALFORMED"],
  [
    "embedded with a legacy DSN that nobody has",
    embed(`https://${UNKNOWN}@sentry.test/7`),
    404,
    "PROJECT_KEY_NOT_FOUND",
  ],
  [
    "embedded with a DSN that nobody has",
    embed(`https://${UNKNOWN}@o9.ingest.us.test/7`),
    404,
    "PROJECT_KEY_NOT_FOUND",
  ],
])("what is sent %s is refused with a reason, and no cell hears of it", async (_what, target, status, code) => {
  expect(await stage.ask(target)).toMatchObject({ status, code });
  expect(stage.asked()).toEqual([]);
});

test("a page of another site may read why it was refused, and its preflight needs no key", async () => {
  const preflight = await stage.ask(ENVELOPE, { method: "OPTIONS", headers: { origin: "https://shop.test" } });
  expect(preflight).toMatchObject({ status: 204, headers: { "access-control-allow-origin": "*" } });
  const refused = await stage.ask(`${ENVELOPE}?sentry_key=${UNKNOWN}`, { method: "POST" });
  expect(refused.headers["access-control-allow-origin"]).toBe("*");
  expect(stage.asked()).toEqual([]);
});

test.each([
  ["says organization and locality", `https://${KEY}@o1.ingest.us.example.test/7`],
  ["is a legacy one, which says neither", `https://${KEY}@sentry.example.test/7`],
  ["is a legacy one with a secret", `https://${KEY}:secret@app.example.test/7`],
])("what is embedded goes to the cell of the DSN's public key when its host %s", async (_how, dsn) => {
  const before = await count("project_key");
  expect((await stage.ask(embed(dsn))).text).toBe("de1");
  expect((await count("project_key")) - before).toBe(1);
});

test("where the key is not known the organization in the DSN's host leads to its cell, and that is counted apart", async () => {
  const before = await count("dsn_host");
  expect((await stage.ask(embed(`https://${UNKNOWN}@o${stage.ids.globex}.ingest.de.test/7`))).text).toBe("us2");
  expect((await count("dsn_host")) - before).toBe(1);
});

test("events go to the cell's ingest address where that is another, with limits of its own; the API stays where it was", async () => {
  const ingest = await startCellListener("ingest of de1");
  const request = { name: "de1", ingestAddress: ingest.address, updateMask: { paths: ["ingest_address"] } };
  await stage.fleet.client(DirectoryService).updateCell(request);
  const send = () => stage.ask(`${ENVELOPE}?sentry_key=${KEY}`, { method: "POST" });
  await until("events go there", async () => (await send()).text === "ingest of de1");
  expect((await stage.ask(`/api/0/organizations/umlaut/`)).text).toBe("de1");
  expect((await send()).text).toBe("ingest of de1");
  await stage.fleet.client(DirectoryService).updateCell({ ...request, ingestAddress: "" });
  await until("they go back", async () => (await send()).text === "de1");
  await ingest.stop();
});
