import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { MIGRATION_LOCK } from "./advisory-locks.js";
import type { EmbeddedPostgres } from "./embedded/start-embedded-postgres.js";
import { type AppliedMigration, migrate } from "./migrate.js";
import { pendingMigrations } from "./migration-plan.js";
import { MigrationError, type MigrationSet, readMigrations } from "./migrations.js";
import { eventually, startTestPostgres, withClient } from "./test-support.js";

const CREATE = "create table cell.thing (id bigint primary key);\n";
const ADD = "alter table cell.thing add column note text;\n";

let postgres: EmbeddedPostgres;
let url: string;
let folder: string;
let databases = 0;

beforeAll(async () => {
  postgres = await startTestPostgres();
}, 30_000);

afterAll(async () => {
  await postgres?.stop();
});

beforeEach(async () => {
  url = await postgres.createDatabase(`db${(databases += 1)}`);
  folder = await mkdtemp(join(tmpdir(), "cellway-migrations-"));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function setOf(files: Record<string, string>): Promise<MigrationSet> {
  await rm(folder, { recursive: true });
  folder = await mkdtemp(join(tmpdir(), "cellway-migrations-"));
  for (const [name, sql] of Object.entries(files)) await writeFile(join(folder, name), sql);
  return { service: "thing", localMode: "CELL", migrations: await readMigrations(pathToFileURL(folder)) };
}

function namesOf(applied: readonly AppliedMigration[]): string[] {
  return applied.filter((migration) => migration.service === "thing").map((migration) => migration.name);
}

const select = (sql: string) => withClient(url, async (client) => (await client.query(sql)).rows);
const pending = (sets: MigrationSet[]) =>
  withClient(url, (client) => pendingMigrations({ query: (sql, parameters) => client.query(sql, parameters), sets }));

describe("a folder of migrations", () => {
  test("is read in the order of its numbers, with phase and a checksum that ignores the line ends", async () => {
    const unix = await setOf({
      "0010.contract.drop-b.sql": "-- cellway: needs 1.2.3\nselect 1;\n",
      "0002.expand.add-b.sql": "select 2;\n",
      "README.md": "",
    });
    expect(unix.migrations.map(({ name, phase, needs }) => [name, phase, needs])).toEqual([
      ["0002.expand.add-b.sql", "expand", undefined],
      ["0010.contract.drop-b.sql", "contract", "1.2.3"],
    ]);
    const windows = await setOf({
      "0010.contract.drop-b.sql": "-- cellway: needs 1.2.3\r\nselect 1;\r\n",
      "0002.expand.add-b.sql": "select 2;\r\n",
    });
    expect(windows.migrations).toEqual(unix.migrations);
  });

  test.each([
    "1.expand.a.sql",
    "0001.change.a.sql",
    "0001.expand.A_b.sql",
    "0001.expand.sql",
    "0001.expand.a.sql.orig",
    "notes.txt",
  ])("with the misnamed file %s is refused, naming it", async (name) => {
    await expect(setOf({ [name]: "" })).rejects.toThrow(name);
  });

  test.each(["select 1;\n", "-- cellway: needs\n", "-- cellway: needs latest\n"])(
    "with a contract step %j that does not say which release it needs is refused, naming it",
    async (sql) => {
      await expect(setOf({ "0001.contract.a.sql": sql })).rejects.toThrow(
        'The contract step 0001.contract.a.sql must say, in a line "-- cellway: needs 1.2.3"',
      );
    },
  );

  test("with a number used twice is refused, naming both files", async () => {
    const files = { "0001.expand.a.sql": "", "0001.expand.b.sql": "" };
    await expect(setOf(files)).rejects.toThrow("0001.expand.a.sql and 0001.expand.b.sql");
  });

  test("that is absent is refused, naming it", async () => {
    await expect(readMigrations("/nowhere/migrations")).rejects.toThrow("/nowhere/migrations");
  });
});

describe("migrating", () => {
  test("applies what is missing in order, reports it, and finds nothing to do the second time", async () => {
    const set = await setOf({ "0001.expand.create-thing.sql": CREATE, "0002.expand.add-note.sql": ADD });
    const reported: string[] = [];
    const before = await pending([set]);
    const applied = await migrate({ url, sets: [set], onApplied: (migration) => reported.push(migration.name) });
    expect(before.map((entry) => entry.migration.name)).toEqual(applied.map((entry) => entry.name));
    expect(namesOf(applied)).toEqual(["0001.expand.create-thing.sql", "0002.expand.add-note.sql"]);
    expect(applied[0]?.service).toBe("database");
    expect(reported).toEqual(applied.map((entry) => entry.name));
    expect(await migrate({ url, sets: [set] })).toEqual([]);
    expect(await pending([set])).toEqual([]);
  });

  test("creates the schemas of the sides it is given, and no other", async () => {
    await migrate({ url, sets: [{ service: "user", localMode: "CONTROL", migrations: [] }] });
    expect(await select("select nspname from pg_namespace where nspname in ('control', 'cell')")).toEqual([
      { nspname: "control" },
    ]);
    expect(await select("select service, name from control.schema_migration")).toEqual([
      { service: "database", name: "0001.expand.create-snowflakes.sql" },
    ]);
  });

  test("from eight callers at once applies each migration once", async () => {
    const set = await setOf({ "0001.expand.create-thing.sql": CREATE, "0002.expand.add-note.sql": ADD });
    const all = await Promise.all(Array.from({ length: 8 }, () => migrate({ url, sets: [set] })));
    expect(all.map((applied) => namesOf(applied).length).toSorted((a, b) => a - b)).toEqual([0, 0, 0, 0, 0, 0, 0, 2]);
  });

  test("gives up when another process holds the lock for too long, and says so", async () => {
    await withClient(url, async (client) => {
      await client.query(`begin; select pg_advisory_xact_lock(${MIGRATION_LOCK})`);
      const attempt = migrate({ url, sets: [await setOf({})], lockTimeoutMs: 100 });
      await expect(attempt).rejects.toThrow("Another process has been migrating this database for 100 ms");
    });
  });

  test("that fails in the middle of a file leaves nothing of that file, keeps the ones before, and can be repeated", async () => {
    const broken = await setOf({
      "0001.expand.create-thing.sql": CREATE,
      "0002.expand.add-note.sql": `${ADD}\nselect oops;\n`,
    });
    const error = await migrate({ url, sets: [broken] }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(MigrationError);
    expect((error as Error).message).toBe(
      'The migration cell/thing/0002.expand.add-note.sql failed: line 3: column "oops" does not exist',
    );
    expect((await pending([broken])).map((entry) => entry.migration.name)).toEqual(["0002.expand.add-note.sql"]);
    const mended = await setOf({ "0001.expand.create-thing.sql": CREATE, "0002.expand.add-note.sql": ADD });
    expect(namesOf(await migrate({ url, sets: [mended] }))).toEqual(["0002.expand.add-note.sql"]);
  });

  test("refuses a file that commits by itself", async () => {
    const set = await setOf({ "0001.expand.create-thing.sql": `${CREATE} commit; begin;` });
    await expect(migrate({ url, sets: [set] })).rejects.toThrow("it ends its transaction itself");
  });

  test("waits no longer than it may for a table that is in use", async () => {
    await migrate({ url, sets: [await setOf({ "0001.expand.create-thing.sql": CREATE })] });
    const next = await setOf({ "0001.expand.create-thing.sql": CREATE, "0002.expand.add-note.sql": ADD });
    await withClient(url, async (client) => {
      await client.query("begin; lock table cell.thing in access share mode");
      await expect(migrate({ url, sets: [next], tableLockTimeoutMs: 20 })).rejects.toThrow("lock timeout");
    });
    expect(namesOf(await migrate({ url, sets: [next] }))).toEqual(["0002.expand.add-note.sql"]);
  });

  test("lets those through who wait behind it for a table, and comes back until it gets it", async () => {
    await migrate({ url, sets: [await setOf({ "0001.expand.create-thing.sql": CREATE })] });
    const next = await setOf({ "0001.expand.create-thing.sql": CREATE, "0002.expand.add-note.sql": ADD });
    await withClient(url, async (holder) => {
      await holder.query("begin; lock table cell.thing in access share mode");
      const migrated = migrate({ url, sets: [next], tableLockTimeoutMs: 100 });
      await eventually(async () => (await select("select from pg_locks where not granted")).length > 0);
      // It would wait for ever behind a migration that does.
      await withClient(url, (writer) =>
        writer.query("set lock_timeout = 2000; insert into cell.thing (id) values (1)"),
      );
      await holder.query("commit");
      expect(namesOf(await migrated)).toEqual(["0002.expand.add-note.sql"]);
    });
  });

  test("gives up a statement that takes too long, whose locks others wait for", async () => {
    const set = await setOf({ "0001.expand.create-thing.sql": `${CREATE}select pg_sleep(30);\n` });
    await expect(migrate({ url, sets: [set], statementTimeoutMs: 50 })).rejects.toThrow("statement timeout");
  });

  test("outside of a transaction builds an index concurrently, while another process waits for its turn", async () => {
    const set = await setOf({
      "0001.expand.create-thing.sql": CREATE,
      "0002.expand.index-thing.sql":
        "-- cellway: no-transaction\n-- What a failed attempt left.\ndrop index concurrently if exists cell.thing_id;\n" +
        "create index concurrently thing_id\n  on cell.thing (id);\n",
    });
    const all = await Promise.all([migrate({ url, sets: [set] }), migrate({ url, sets: [set] })]);
    expect(all.flatMap(namesOf)).toHaveLength(2);
    expect(await select("select indisvalid from pg_index where indexrelid = 'cell.thing_id'::regclass")).toEqual([
      { indisvalid: true },
    ]);
  });

  test("takes the names of services once, and keeps its own", async () => {
    const set = await setOf({});
    await expect(migrate({ url, sets: [set, set] })).rejects.toThrow("cell.thing are given twice");
    await expect(migrate({ url, sets: [{ ...set, service: "database" }] })).rejects.toThrow("taken");
  });
});

describe("a database that was migrated by other code", () => {
  const FILES = { "0001.expand.create-thing.sql": CREATE, "0002.expand.add-note.sql": ADD };

  beforeEach(async () => {
    await migrate({ url, sets: [await setOf(FILES)] });
  });

  test("that was newer is accepted: the old code meets the new schema", async () => {
    const old = await setOf({ "0001.expand.create-thing.sql": CREATE });
    expect(await migrate({ url, sets: [old] })).toEqual([]);
    expect(await pending([old])).toEqual([]);
  });

  test.each([
    [
      "edited",
      { ...FILES, "0001.expand.create-thing.sql": `${CREATE}-- edited` },
      "0001.expand.create-thing.sql was edited",
    ],
    [
      "lost",
      { "0002.expand.add-note.sql": ADD },
      "0001.expand.create-thing.sql was applied to this database and is gone",
    ],
    [
      "renamed",
      { "0001.expand.create-thing.sql": CREATE, "0002.expand.add-memo.sql": ADD },
      "0002.expand.add-note.sql was applied",
    ],
  ])("is refused when a migration of it was %s since", async (_, files, message) => {
    const set = await setOf(files);
    await expect(migrate({ url, sets: [set] })).rejects.toThrow(message);
    await expect(pending([set])).rejects.toThrow(message);
  });

  test("gets a migration whose number is lower than one it has, as two branches may be merged in any order", async () => {
    await migrate({ url, sets: [await setOf({ ...FILES, "0004.expand.d.sql": "select 4" })] });
    const merged = await setOf({ ...FILES, "0003.expand.c.sql": "select 3", "0004.expand.d.sql": "select 4" });
    expect(namesOf(await migrate({ url, sets: [merged] }))).toEqual(["0003.expand.c.sql"]);
  });
});
