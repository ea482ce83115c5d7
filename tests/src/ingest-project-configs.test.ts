import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import {
  addProject,
  askConfigs,
  createTestProject,
  createTestRelay,
  modulesWithIngest,
  send,
  type TestProject,
} from "./ingest-stage.js";

const relay = createTestRelay();
const UNKNOWN = "f".repeat(32);

let fleet: Fleet;
let project: TestProject;
let us1: string;

beforeAll(async () => {
  const publicUrl = "https://us1.ingest.example.test";
  fleet = await startFleet({ modules: modulesWithIngest({ relays: relay.keys, publicUrl }) });
  project = await createTestProject(fleet, "us1");
  us1 = fleet.cell("us1").httpAddress;
});

afterAll(() => fleet?.stop());

const ask = (question: unknown, options: Partial<Parameters<typeof askConfigs>[2]> = {}) =>
  askConfigs(us1, question, { relay: relay.credentials, ...options });

test("a cell answers the configurations of its own keys, with the address to send to, and nothing of others", async () => {
  const { publicKey } = project;
  const answer = await ask({ publicKeys: [publicKey, UNKNOWN, "no key"], fullConfig: true });
  expect(answer).toMatchObject({ status: 200, json: { pending: [], unchanged: [] } });
  const configs = answer.json["configs"] as Record<string, Record<string, unknown>>;
  expect(Object.keys(configs)).toEqual([publicKey]);
  expect(configs[publicKey]).toMatchObject({
    disabled: false,
    projectId: Number(project.projectId),
    organizationId: Number(project.organization.id),
    publicKeys: [{ publicKey, numericId: Number(project.keyId), isEnabled: true }],
    upstream: "https://us1.ingest.example.test",
  });
  expect(answer.json).not.toHaveProperty("global");
});

test("a revision that the Relay holds makes its key unchanged, and only that one", async () => {
  const other = await addProject(fleet, project.organization);
  const keys = [other.publicKey, project.publicKey];
  const first = await ask({ publicKeys: keys });
  const configs = first.json["configs"] as Record<string, { rev: string }>;
  const rev = configs[project.publicKey]?.rev;
  const answer = await ask({ publicKeys: keys, revisions: [null, rev] });
  expect(answer.json["unchanged"]).toEqual([project.publicKey]);
  expect(Object.keys(answer.json["configs"] as object)).toEqual([other.publicKey]);
  const misaligned = await ask({ publicKeys: keys, revisions: [rev] });
  expect(misaligned.json["unchanged"]).toEqual([]);
});

test("the global configuration is answered when it is asked for, without keys too", async () => {
  expect(await ask({ global: true, publicKeys: [] })).toMatchObject({
    status: 200,
    json: { configs: {}, pending: [], unchanged: [], global: { options: {} }, global_status: "ready" },
  });
});

test("nobody is told anything without a signature of a Relay that is trusted, made just now, over this question", async () => {
  const question = { publicKeys: [project.publicKey] };
  const stranger = createTestRelay().credentials;
  const asked = [
    await send(us1, "/api/0/relays/projectconfigs/?version=3", { body: JSON.stringify(question) }),
    await ask(question, { relay: stranger }),
    await ask(question, { relay: { ...stranger, id: relay.credentials.id } }),
    await ask(question, { nowMs: Date.now() - 301_000 }),
    await ask(question, { nowMs: Date.now() + 120_000 }),
  ];
  for (const answer of asked) {
    expect(answer).toMatchObject({ status: 401, json: { code: "RELAY_NOT_TRUSTED" } });
    expect(answer.text).not.toContain(project.projectId);
  }
  const us2 = fleet.cell("us2").httpAddress;
  expect((await askConfigs(us2, question, { relay: relay.credentials })).json["configs"]).toEqual({});
});

test.each([
  ["version 2", { publicKeys: [] }, "2"],
  ["version 4", { publicKeys: [] }, "4"],
  ["no version", { publicKeys: [] }, ""],
  ["no JSON", "{", "3"],
  ["no object", [], "3"],
  ["no keys", {}, "3"],
  ["a key that is no text", { publicKeys: [1] }, "3"],
  ["too many keys", { publicKeys: Array.from({ length: 5_001 }, String) }, "3"],
])("%s is refused with 400", async (_what, question, version) => {
  expect(await ask(question, { version })).toMatchObject({ status: 400, json: { code: "PROJECT_CONFIGS_INVALID" } });
});

test("a cell that cannot read its keys makes them pending", async () => {
  const database = fleet.cell("us1").database("CELL");
  await database.query("alter table cell.project_key rename to project_key_hidden");
  try {
    expect(await ask({ publicKeys: [project.publicKey] })).toMatchObject({
      status: 200,
      json: { configs: {}, pending: [project.publicKey], unchanged: [] },
    });
  } finally {
    await database.query("alter table cell.project_key_hidden rename to project_key");
  }
});
