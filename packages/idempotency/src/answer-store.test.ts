import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type EmbeddedPostgres,
  migrate,
  openDatabase,
  rowsOf,
  type SiloDatabase,
  startEmbeddedPostgres,
} from "@cellway/database";
import { createLogger } from "@cellway/telemetry";
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { AnswerStore, type Claim } from "./answer-store.js";
import { dropExpiredAnswers } from "./drop-expired.js";
import { ANSWER_MAX_BYTES, CLAIM_MS, KEPT_MS, KEYS_PER_ACTOR_MAX } from "./limits.js";
import { idempotencyMigrations } from "./schema.js";

let folder: string;
let postgres: EmbeddedPostgres;
let database: SiloDatabase;
let nowMs: number;
let secrets: Uint8Array[];
let store: AnswerStore;
const log: string[] = [];
const REQUEST = { actor: "user:7", key: "key-1", content: "create a" };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cellway-idempotency-test-"));
  postgres = await startEmbeddedPostgres({ dataDir: folder, durable: false });
  const url = await postgres.createDatabase("cell");
  await migrate({ url, sets: [await idempotencyMigrations("CELL")] });
  database = await openDatabase({ localMode: "CELL", siloName: "us1", url, entities: [] });
  await database.query("create table cell.effect (text text not null)");
}, 30_000);
afterAll(async () => {
  await database?.destroy();
  await postgres?.stop();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  await database.query("truncate cell.effect, cell.idempotency_key");
  nowMs = Date.now();
  secrets = [new Uint8Array(32).fill(1)];
  const logger = createLogger({ silo: "us1", stream: { write: (line) => void log.push(line) } });
  store = new AnswerStore({ database, secrets: () => secrets, logger, now: () => nowMs });
});

const effect = (text: string) =>
  database.transaction((manager) => manager.query("insert into cell.effect values ($1)", [text]));
const effects = async () =>
  rowsOf<{ text: string }>(await database.query("select text from cell.effect order by 1")).map(({ text }) => text);

async function claim(request = REQUEST): Promise<Claim> {
  const beginning = await store.begin(request);
  if (beginning.state !== "begun") throw new Error(`it is ${beginning.state}`);
  return beginning;
}
const stateOf = async (request = REQUEST) => (await store.begin(request)).state;

test("a request is carried out once, and its answer given again for a day, whoever asks meanwhile", async () => {
  const first = await claim();
  expect(await stateOf()).toBe("running");
  await first.run(() => effect("a"));
  expect(await stateOf()).toBe("running");
  await first.keep("made a");
  expect(await store.begin(REQUEST)).toEqual({ state: "answered", answer: "made a" });
  nowMs += KEPT_MS - 1;
  expect(await stateOf()).toBe("answered");
  nowMs += 1;
  expect(await stateOf()).toBe("begun");
});

test("a key with another content is told apart, and the same key of another actor is another key", async () => {
  await (await claim()).keep("made a");
  expect(await stateOf({ ...REQUEST, content: "create b" })).toBe("reused");
  expect(await stateOf({ ...REQUEST, actor: "user:8" })).toBe("begun");
});

test("of many that come at once one is carried out", async () => {
  const beginnings = await Promise.all(Array.from({ length: 10 }, () => stateOf()));
  expect(beginnings.toSorted()).toEqual(["begun", ...Array.from({ length: 9 }, () => "running")]);
});

test("a request whose process died before its effect is carried out by the next; should it live after all, it has none", async () => {
  const dead = await claim();
  nowMs += CLAIM_MS;
  const next = await claim();
  await expect(dead.run(() => effect("dead"))).rejects.toThrow(/taken over/);
  await next.run(() => effect("next"));
  await next.keep("made it");
  await dead.keep("made it too");
  await dead.giveUp();
  expect([await effects(), await store.begin(REQUEST)]).toEqual([["next"], { state: "answered", answer: "made it" }]);
});

test("a request whose process died after its effect is lost, and never carried out again", async () => {
  await (await claim()).run(() => effect("a"));
  expect(await stateOf()).toBe("running");
  nowMs += CLAIM_MS;
  expect([await stateOf(), await effects()]).toEqual(["lost", ["a"]]);
});

test("a request that fails leaves its key free; one that fails after it has committed is lost at once", async () => {
  const failed = await claim();
  const rolledBack = database.transaction(async (manager) => {
    await manager.query("insert into cell.effect values ('rolled back')");
    throw new Error("no");
  });
  await expect(failed.run(() => rolledBack)).rejects.toThrow("no");
  await failed.giveUp();
  const second = await claim();
  await second.run(() => effect("a"));
  await second.giveUp();
  expect([await stateOf(), await effects()]).toEqual(["lost", ["a"]]);
});

test("a transaction of several that a request makes is enough; what begins after it is none of its own", async () => {
  const first = await claim();
  let after: Promise<unknown> | undefined;
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  await first.run(async () => {
    await effect("one");
    await effect("two");
    after = held.then(() => effect("after"));
  });
  await first.keep("made two");
  await database.query("delete from cell.idempotency_key");
  release();
  await after;
  expect(await effects()).toEqual(["after", "one", "two"]);
});

test("answers are sealed: by the first key, opened by all, only in their own place, and lost without a key", async () => {
  await (await claim()).keep("a secret that is shown once");
  const [row] = rowsOf<{ answer: Buffer }>(await database.query("select answer from cell.idempotency_key"));
  expect(row?.answer.toString("latin1")).not.toContain("secret");
  secrets = [new Uint8Array(32).fill(2), ...secrets];
  expect(await store.begin(REQUEST)).toEqual({ state: "answered", answer: "a secret that is shown once" });
  await (await claim({ ...REQUEST, key: "key-2" })).keep("another");
  const copy = "update cell.idempotency_key set answer = $1 where answer <> $1";
  await database.query(copy, [row?.answer]);
  expect(await stateOf({ ...REQUEST, key: "key-2" })).toBe("lost");
  secrets = secrets.slice(0, 1);
  expect(await stateOf()).toBe("lost");
});

test("an answer that is too large is lost, and an actor with too many keys gets no more", async () => {
  await (await claim()).keep("x".repeat(ANSWER_MAX_BYTES + 1));
  expect(await stateOf()).toBe("lost");
  await database.query(
    `insert into cell.idempotency_key select 'user:7', int4send(i), '', gen_random_uuid(), now(), true, null, $1
      from generate_series(2, $2::int) as i`,
    [new Date(nowMs), KEYS_PER_ACTOR_MAX],
  );
  expect(await stateOf({ ...REQUEST, key: "one more" })).toBe("full");
  expect(await stateOf({ ...REQUEST, actor: "user:8", key: "one more" })).toBe("begun");
  await dropExpiredAnswers(database, nowMs + KEPT_MS);
  expect(rowsOf(await database.query("select from cell.idempotency_key"))).toEqual([]);
});

test("what became of a request is logged when it cannot be noted, and fails nobody", async () => {
  const first = await claim();
  await first.run(() => effect("a"));
  await database.query("alter table cell.idempotency_key rename to gone");
  await first.keep("made a");
  await database.query("alter table cell.gone rename to idempotency_key");
  expect(log.join("\n")).toContain("could not be noted");
  nowMs += CLAIM_MS;
  expect(await stateOf()).toBe("lost");
});
