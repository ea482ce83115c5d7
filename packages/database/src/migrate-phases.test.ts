import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import pg from "pg";
import type { ReportedVersion } from "./contract-gate.js";
import { applicationNameOf } from "./contract-gate.js";
import type { EmbeddedPostgres } from "./embedded/start-embedded-postgres.js";
import { type MigrateOptions, migrate } from "./migrate.js";
import { findTooNew } from "./migration-plan.js";
import { type MigrationSet, readMigrations } from "./migrations.js";
import { startTestPostgres, withClient } from "./test-support.js";

const FILES = {
  "0001.expand.create-thing.sql": "create table cell.thing (id bigint primary key, old text);\n",
  "0002.contract.drop-old.sql": "-- cellway: needs 0.10.0\nalter table cell.thing drop column old;\n",
  "0003.expand.add-note.sql": "alter table cell.thing add column note text;\n",
};

let postgres: EmbeddedPostgres;
let set: MigrationSet;
let url: string;
let databases = 0;

beforeAll(async () => {
  postgres = await startTestPostgres();
  const folder = await mkdtemp(join(tmpdir(), "cellway-phases-"));
  for (const [name, sql] of Object.entries(FILES)) await writeFile(join(folder, name), sql);
  set = { service: "thing", localMode: "CELL", migrations: await readMigrations(folder) };
  await rm(folder, { recursive: true });
}, 30_000);

afterAll(async () => {
  await postgres?.stop();
});

beforeEach(async () => {
  url = await postgres.createDatabase(`db${(databases += 1)}`);
});

async function apply(options: Partial<MigrateOptions> = {}): Promise<string[]> {
  const applied = await migrate({ url, sets: [set], ...options });
  return applied.filter(({ service }) => service === "thing").map(({ name }) => name);
}

/** As a process of a silo is connected. */
async function connectAs(name: string): Promise<() => Promise<void>> {
  const client = new pg.Client({ connectionString: url, application_name: name });
  await client.connect();
  return () => client.end();
}

const tooNewFor = (version: string) =>
  withClient(url, (client) =>
    findTooNew({ query: (sql, parameters) => client.query(sql, parameters), localMode: "CELL", version }),
  );

describe("the phase", () => {
  test("expand leaves contract steps out, and the phase contract applies them later", async () => {
    expect(await apply({ phase: "expand" })).toEqual(["0001.expand.create-thing.sql", "0003.expand.add-note.sql"]);
    expect(await apply({ phase: "expand" })).toEqual([]);
    expect(await apply({ phase: "contract" })).toEqual(["0002.contract.drop-old.sql"]);
    expect(await apply({ phase: "all" })).toEqual([]);
  });

  test("all applies both kinds in the order of their numbers", async () => {
    expect(await apply({ phase: "all" })).toEqual(Object.keys(FILES));
  });

  test("contract is refused while an expand step is missing, naming it", async () => {
    await expect(apply({ phase: "contract" })).rejects.toThrow(
      "Expand steps come before contract steps, and these are missing: database/0001.expand.create-snowflakes.sql, thing/0001",
    );
  });
});

describe("a contract step", () => {
  const reports = (...versions: ReportedVersion[]) => ({ listLiveVersions: async () => versions });

  beforeEach(async () => {
    await apply({ phase: "expand" });
  });

  test("is refused while an older release reports itself, says how many, and is applied once it is gone", async () => {
    const older = reports({ version: "0.9.12", processes: 2 }, { version: "0.10.0", processes: 1 });
    await expect(apply({ phase: "contract", ...older })).rejects.toThrow(
      "The migration cell/thing/0002.contract.drop-old.sql drops what releases before 0.10.0 use, and these run: 2 of release 0.9.12 by their reports.",
    );
    await withClient(url, (client) => client.query("select old from cell.thing"));
    const newer = reports({ version: "0.10.0", processes: 2 }, { version: "1.0.0", processes: 1 });
    expect(await apply({ phase: "contract", ...newer })).toEqual(["0002.contract.drop-old.sql"]);
  });

  test("is refused while a process reports no release", async () => {
    await expect(apply({ phase: "all", ...reports({ version: "unknown", processes: 1 }) })).rejects.toThrow(
      "1 of release unknown by their reports",
    );
  });

  test.each([
    [applicationNameOf("us1", "0.9.0"), "us1 of release 0.9.0, connected from a local socket"],
    [applicationNameOf("us1", undefined), "us1 of a release that does not say which, connected from a local socket"],
  ])("is refused while %s is connected, whatever is reported, and applied when it is gone", async (name, message) => {
    const disconnect = await connectAs(name);
    await expect(apply({ phase: "contract", ...reports() })).rejects.toThrow(message);
    await disconnect();
    expect(await apply({ phase: "contract", ...reports() })).toEqual(["0002.contract.drop-old.sql"]);
  });

  test("is applied while only new enough processes, and connections of others, are there", async () => {
    const ends = await Promise.all(
      [applicationNameOf("us1", "0.10.0"), applicationNameOf("control", "0.11.0"), "psql", "cellway-us1-outbox"].map(
        connectAs,
      ),
    );
    expect(await apply({ phase: "contract" })).toEqual(["0002.contract.drop-old.sql"]);
    for (const end of ends) await end();
  });

  test("that was applied is told to the releases that are too old for it, and to no others", async () => {
    expect(await tooNewFor("0.9.0")).toEqual([]);
    await apply({ phase: "contract" });
    expect(await tooNewFor("0.9.0")).toEqual([
      "thing/0002.contract.drop-old.sql was applied and needs release 0.10.0; this is 0.9.0",
    ]);
    for (const version of ["0.10.0", "1.0.0", "unknown"]) expect(await tooNewFor(version)).toEqual([]);
  });

  test("is recorded in a database that release 0.1.0 has made", async () => {
    await withClient(url, (client) => client.query("alter table cell.schema_migration drop column needs"));
    expect(await tooNewFor("0.1.0")).toEqual([]);
    await apply({ phase: "contract" });
    expect(await tooNewFor("0.1.0")).toHaveLength(1);
  });
});
