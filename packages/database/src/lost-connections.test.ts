import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { openDatabase, type SiloDatabase } from "./database.js";
import type { EmbeddedPostgres } from "./embedded/start-embedded-postgres.js";
import { endsSession } from "./errors.js";
import { startLingering, startTestPostgres } from "./test-support.js";

let postgres: EmbeddedPostgres;
let way: Awaited<ReturnType<typeof startLingering>>;
let database: SiloDatabase;

beforeAll(async () => {
  postgres = await startTestPostgres();
  await postgres.createDatabase("us1");
  way = await startLingering(postgres.socketDir);
  database = await openDatabase({
    localMode: "CELL",
    siloName: "us1",
    url: `postgres://cellway@/us1?host=${way.socketDir}`,
    entities: [],
    poolMax: 1,
    answerTimeoutMs: 300,
  });
}, 30_000);

afterAll(async () => {
  await database?.destroy();
  await way?.stop();
  await postgres?.stop();
});

const TERMINATE = "select pg_terminate_backend(pg_backend_pid())";

test.each<[string, () => Promise<unknown>]>([
  ["a statement", () => database.query(TERMINATE)],
  ["a transaction", () => database.transaction((manager) => manager.query(TERMINATE))],
])("a session that the server ends under %s is not used again, though its socket is still open", async (_, use) => {
  const error = await use().catch((thrown: unknown) => thrown);
  expect(endsSession(error)).toBe(true);
  expect(await database.query("select 1 as one")).toEqual([{ one: 1 }]);
});

test.each<[string, () => Promise<unknown>]>([
  ["a statement", () => database.query("select 1")],
  ["a transaction", () => database.transaction((manager) => manager.query("select 1"))],
])("a server that falls silent under %s is given up, and so is its connection", async (_, use) => {
  await database.query("select 1");
  way.swallow(true);
  const error = await use().catch((thrown: unknown) => thrown);
  way.swallow(false);
  expect(endsSession(error)).toBe(true);
  expect(await database.query("select 2 as two")).toEqual([{ two: 2 }]);
});

test("a statement that is wrong costs no connection", async () => {
  const pid = await database.query("select pg_backend_pid() as pid");
  await expect(database.query("select nothing")).rejects.toThrow("nothing");
  expect(await database.query("select pg_backend_pid() as pid")).toEqual(pid);
});
