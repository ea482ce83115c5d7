import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Fleet, startFleet } from "@cellway/testing";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { askRouter, keysOf, ROUTER, sendTo, startIngest } from "./ingest-router-stage.js";
import {
  addProject,
  createEnvelope,
  createTestProject,
  modulesWithIngest,
  newEventId,
  sentryAuth,
  storedFor,
  type TestProject,
} from "./ingest-stage.js";
import { until } from "./organizations.js";
import { announce } from "./router-stage.js";

let fleet: Fleet;
let project: TestProject;
let folder: string;

beforeAll(async () => {
  fleet = await startFleet({ modules: modulesWithIngest({ relays: ROUTER.keys }) });
  for (const name of ["us1", "us2", "de1"]) await announce(fleet, name, fleet.cell(name).httpAddress);
  project = await createTestProject(fleet, "us1");
});
afterAll(() => fleet?.stop());

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ingest-router-"));
});
afterEach(async () => {
  if (fleet.memory !== undefined) fleet.memory.onRequest = undefined;
  await rm(folder, { recursive: true, force: true });
});

const sendEvent = (router: { address: string }, { projectId, publicKey }: TestProject, eventId = newEventId()) =>
  sendTo(router, `/api/${projectId}/envelope/`, { body: createEnvelope(eventId), headers: sentryAuth({ publicKey }) });

/** Keys that no project has, and that no look-up has met. */
const inventKeys = (count: number) => Array.from({ length: count }, () => newEventId());

/** Control takes questions and does not answer them until it is let go; the feed that is open goes on. @returns what lets it go */
function hangControl(): () => void {
  const { memory, topology } = fleet;
  if (memory === undefined) throw new Error("needs the in-memory network");
  let letGo = () => {};
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  memory.onRequest = ({ url }) =>
    url.startsWith(topology.controlRpcAddress) && url.includes("DirectoryService") ? held : undefined;
  return letGo;
}

test("defects 7, 10 and 21: while control is away a router restarts from its file and routes; a new key is 503 and pending, never absent; then it is known", async () => {
  const disk = { path: join(folder, "routes"), pauseMs: 5 };
  const first = await startIngest(fleet, { disk });
  await first.whenComplete;
  expect((await sendEvent(first, project)).status).toBe(200);
  await until("the file has the key", async () => {
    return (await readFile(disk.path, "latin1").catch(() => "")).includes(project.publicKey);
  });
  await first.stop();
  await fleet.stopSilo("control");
  const created = await addProject(fleet, project.organization);

  const router = await startIngest(fleet, { disk });
  const eventId = newEventId();
  expect(await sendEvent(router, project, eventId)).toMatchObject({ status: 200, json: { id: eventId } });
  expect((await storedFor(fleet, project)).at(-1)?.event_id).toBe(eventId);
  const refused = await sendEvent(router, created);
  expect(refused).toMatchObject({ status: 503, json: { code: "ROUTE_UNKNOWN" }, headers: { "retry-after": "1" } });
  const keys = [project.publicKey, created.publicKey];
  expect(keysOf(await askRouter(router, { publicKeys: keys }))).toEqual({
    configs: [project.publicKey],
    pending: [created.publicKey],
    unchanged: [],
  });

  const empty = await startIngest(fleet);
  expect(await sendEvent(empty, project)).toMatchObject({ status: 503, json: { code: "DIRECTORY_NOT_LOADED" } });
  expect(keysOf(await askRouter(empty, { publicKeys: keys }))).toEqual({
    configs: [],
    pending: keys.toSorted(),
    unchanged: [],
  });
  await empty.stop();

  await fleet.restart("control");
  await until("the key is known", async () => (await sendEvent(router, created)).status === 200);
  expect(keysOf(await askRouter(router, { publicKeys: keys })).configs).toEqual(keys.toSorted());
  await router.stop();
});

test("defect 8: while control hangs, many unknown keys take as long as one, and what is known is not held up", async () => {
  const router = await startIngest(fleet, { configLimits: { deadlineMs: 2_000, lookupMs: 1_000 } });
  await router.whenComplete;
  const letGo = hangControl();
  const unknown = inventKeys(200);
  const startedAt = performance.now();
  const answer = await askRouter(router, { publicKeys: [...unknown, project.publicKey] });
  expect(performance.now() - startedAt).toBeLessThan(2_500);
  expect(answer.pending.toSorted()).toEqual(unknown.toSorted());
  expect(Object.keys(answer.configs)).toEqual([project.publicKey]);
  expect((await sendEvent(router, project)).status).toBe(200);
  letGo();
  await router.stop();
});

test("defect 9: more unknown keys than may be asked for at a time are pending, not absent", async () => {
  const router = await startIngest(fleet, { configLimits: { deadlineMs: 1_000 } });
  await router.whenComplete;
  const letGo = hangControl();
  const unknown = inventKeys(1_000);
  expect((await askRouter(router, { publicKeys: unknown })).pending).toHaveLength(1_000);
  letGo();
  await router.stop();
});
