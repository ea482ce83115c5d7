import { signRelayRequest } from "@cellway/ingest-protocol";
import { describe, expect, test } from "@jest/globals";
import { askRouter, type Configs, HOSTS, keysOf, POP, startIngest, useConfigStage } from "./ingest-router-stage.js";
import { addProject, askConfigs, createTestRelay, send, type TestProject } from "./ingest-stage.js";
import { until } from "./organizations.js";

const UNKNOWN = "f".repeat(32);
const stage = useConfigStage();

const revOf = ({ configs }: Configs, { publicKey }: TestProject) => (configs[publicKey] as { rev: string }).rev;
test("a question is split by cell and merged: each key in one list, what there is not in none, each key once", async () => {
  const { router, us1, us2, de1 } = stage();
  const keys = [us1.publicKey, UNKNOWN, de1.publicKey, us2.publicKey, us1.publicKey, "no key"];
  const answer = await askRouter(router, { publicKeys: keys, fullConfig: true });
  expect(answer.status).toBe(200);
  const all = [us1, us2, de1].map(({ publicKey }) => publicKey).toSorted();
  expect(keysOf(answer)).toEqual({ configs: all, pending: [], unchanged: [] });
  expect(answer).not.toHaveProperty("global");
});

test("at a locality's host a key of another locality is pending, and its cell is not asked", async () => {
  const { router, us1, de1 } = stage();
  const answer = await askRouter(router, { publicKeys: [us1.publicKey, de1.publicKey] }, HOSTS.us);
  expect(keysOf(answer)).toEqual({ configs: [us1.publicKey], pending: [de1.publicKey], unchanged: [] });
});

describe("defect 20: a question for the global configuration alone is answered", () => {
  test("by the first cell", async () => {
    const { router } = stage();
    expect(await askRouter(router, { global: true, publicKeys: [] })).toEqual({
      status: 200,
      configs: {},
      pending: [],
      unchanged: [],
      global: { options: {} },
      global_status: "ready",
    });
  });

  test("also when no cell says it: then it is pending", async () => {
    const { fleet } = stage();
    const away = await startIngest(fleet, { localities: ["fr"] });
    expect(await askRouter(away, { global: true, publicKeys: [] })).toEqual({
      status: 200,
      configs: {},
      pending: [],
      unchanged: [],
      global_status: "pending",
    });
    await away.stop();
  });
});

test("defects 23 and 24: revisions stay beside their keys over several cells, and what is unchanged in each is told", async () => {
  const { fleet, router, us1, us2, de1 } = stage();
  const changed = await addProject(fleet, us2.organization);
  const projects = [us2, de1, us1];
  const first = await askRouter(router, { publicKeys: projects.map(({ publicKey }) => publicKey) });
  const keys = [UNKNOWN, us2.publicKey, changed.publicKey, de1.publicKey, us1.publicKey];
  const revisions = [null, revOf(first, us2), "old", revOf(first, de1), revOf(first, us1)];
  await until("control knows the new key", async () => {
    return changed.publicKey in (await askRouter(router, { publicKeys: [changed.publicKey] })).configs;
  });
  const answer = await askRouter(router, { publicKeys: keys, revisions });
  expect(keysOf(answer)).toEqual({
    configs: [changed.publicKey],
    pending: [],
    unchanged: projects.map(({ publicKey }) => publicKey).toSorted(),
  });
  const misaligned = await askRouter(router, { publicKeys: keys, revisions: revisions.slice(1) });
  expect(misaligned.unchanged).toEqual([]);
});

test("every other field of a question reaches every cell as it was", async () => {
  const { router, us1, us2, misbehave } = stage();
  const bodies: unknown[] = [];
  await misbehave((req, res) => {
    const chunks: Buffer[] = [];
    req.on("data", (chunk: Buffer) => chunks.push(chunk));
    req.on("end", () => {
      bodies.push(JSON.parse(Buffer.concat(chunks).toString()));
      res.end('{"configs":{}}');
    });
  });
  bodies.length = 0;
  await askRouter(router, { publicKeys: [us1.publicKey, us2.publicKey], fullConfig: true, noCache: true, later: [1] });
  expect(bodies).toEqual([{ publicKeys: [us2.publicKey], fullConfig: true, noCache: true, later: [1] }]);
});

describe("defect 27: a question that is none is refused for what it is, in bounded time", () => {
  test.each([
    ["no JSON", "{", "3", 400, "PROJECT_CONFIGS_INVALID"],
    ["no list of keys", { publicKeys: {} }, "3", 400, "PROJECT_CONFIGS_INVALID"],
    ["version 2", { publicKeys: [] }, "2", 400, "PROJECT_CONFIGS_INVALID"],
    ["version 4", { publicKeys: [] }, "4", 400, "PROJECT_CONFIGS_INVALID"],
    ["more than a mebibyte", { publicKeys: [], x: "x".repeat(1_048_576) }, "3", 413, "BODY_TOO_LARGE"],
  ] as const)("%s", async (...[, question, version, status, code]) => {
    const { router } = stage();
    const answer = await askConfigs(router.address, question, { relay: POP.credentials, version, host: HOSTS.legacy });
    expect(answer).toMatchObject({ status, json: { code } });
  });

  test("a body that does not come", async () => {
    const { router } = stage();
    const path = "/api/0/relays/projectconfigs/?version=3";
    const startedAt = performance.now();
    const headers = { "content-length": "100" };
    const answer = await send(router.address, path, { host: HOSTS.legacy, headers, body: "{", isHeld: true });
    expect(answer).toMatchObject({ status: 408, json: { code: "BODY_TOO_SLOW" } });
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  test("one that no Relay signed that is trusted, and one at another host", async () => {
    const { router, us1 } = stage();
    const question = { publicKeys: [us1.publicKey] };
    const stranger = { relay: createTestRelay().credentials, host: HOSTS.legacy };
    expect(await askConfigs(router.address, question, stranger)).toMatchObject({
      status: 401,
      json: { code: "RELAY_NOT_TRUSTED" },
    });
    const elsewhere = { relay: POP.credentials, host: "fr.in.example.test" };
    expect(await askConfigs(router.address, question, elsewhere)).toMatchObject({
      status: 404,
      json: { code: "HOST_UNKNOWN" },
    });
  });
});

test("a router that cells do not trust leaves keys pending, and events go on", async () => {
  const { fleet, us1 } = stage();
  const untrusted = await startIngest(fleet, { credentials: createTestRelay().credentials });
  await untrusted.whenComplete;
  for (let asked = 0; asked < 30; asked += 1)
    expect((await askRouter(untrusted, { publicKeys: [us1.publicKey] })).pending).toEqual([us1.publicKey]);
  const sending = {
    body: "{}\n",
    headers: { "x-sentry-auth": `Sentry sentry_key=${us1.publicKey}` },
    host: HOSTS.legacy,
  };
  expect((await send(untrusted.address, `/api/${us1.projectId}/envelope/`, sending)).status).toBe(200);
  await untrusted.stop();
});

describe("defect 28: a Relay that is known registers in two steps, which may reach two processes", () => {
  const path = (step: string) => `/api/0/relays/register/${step}/`;
  const { id } = POP.credentials;
  const register = (address: string, step: string, said: object, relay = POP.credentials) => {
    const body = Buffer.from(JSON.stringify(said));
    return send(address, path(step), { body, headers: signRelayRequest(relay, body, Date.now()), host: HOSTS.legacy });
  };

  test("with the challenge of the one the other is content", async () => {
    const { fleet, router } = stage();
    const other = await startIngest(fleet);
    const challenge = await register(router.address, "challenge", { relay_id: id, public_key: "-", version: "26.1.0" });
    expect(challenge).toMatchObject({ status: 200, json: { relay_id: id, token: expect.any(String) } });
    const { token } = challenge.json;
    expect(await register(other.address, "response", { relay_id: id, token })).toMatchObject({
      status: 200,
      json: { relay_id: id },
    });
    await other.stop();
  });

  test("no other Relay is, and none with another's challenge, or none", async () => {
    const { fleet, router } = stage();
    const stranger = createTestRelay();
    const both = await startIngest(fleet, { relays: new Map([...POP.keys, ...stranger.keys]) });
    const own = { relay_id: stranger.credentials.id };
    const { token } = (await register(both.address, "challenge", own, stranger.credentials)).json;
    const refused = [
      await register(router.address, "challenge", own, stranger.credentials),
      await register(router.address, "challenge", { relay_id: stranger.credentials.id }),
      await register(router.address, "response", { relay_id: id, token }),
      await register(router.address, "response", { relay_id: id, token: "a:b" }),
      await register(router.address, "response", { relay_id: id }),
      await send(router.address, path("challenge"), { body: JSON.stringify({ relay_id: id }), host: HOSTS.legacy }),
    ];
    expect(refused.map(({ status }) => status)).toEqual([401, 400, 401, 401, 401, 401]);
    await both.stop();
  });

  test("and anybody may ask whether somebody is there", async () => {
    const { router } = stage();
    const answer = await send(router.address, "/api/0/relays/live/", { method: "GET", host: HOSTS.legacy });
    expect(answer).toMatchObject({ status: 200, json: { is_healthy: true } });
  });
});
