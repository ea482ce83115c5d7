import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { migrateSilo, migrationSetsOf, type RunningSilo } from "@cellway/host";
import { createCellSilo, createControlSilo, createMonolithSilo, type Silo } from "@cellway/silo";
import { createTestDatabase } from "@cellway/testing";
import { Code } from "@connectrpc/connect";
import { afterEach, describe, expect, test } from "@jest/globals";
import pg from "pg";
import { createEmptyDatabase, openCuttable, queryOnce, startLoneSilo } from "./lone-silo.js";
import { MODULES } from "./modules.js";
import { until } from "./organizations.js";
import { failureOf } from "./scenario.js";

const CELLWAY = fileURLToPath(new URL("../../cli/bin/cellway.js", import.meta.url));
const UNAVAILABLE = { code: Code.Unavailable, reason: "DATABASE_UNAVAILABLE" };

const SILOS: [string, Silo][] = [
  ["control", createControlSilo()],
  ["a cell", createCellSilo("us1")],
  ["a monolith", createMonolithSilo(["us1", "us2", "de1"])],
];

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function createDatabase(): Promise<string> {
  const database = await createEmptyDatabase();
  cleanups.push(() => database.drop());
  return database.url;
}

async function createMigrated(silo: Silo): Promise<string> {
  const database = await createTestDatabase(silo, MODULES);
  cleanups.push(() => database.drop());
  return database.url;
}

async function start(silo: Silo, url: string): Promise<RunningSilo> {
  const running = await startLoneSilo(silo, url);
  cleanups.push(() => running.stop({ graceMs: 0 }));
  return running;
}

const migrate = (silo: Silo, databaseUrl: string) =>
  migrateSilo({ silo, databaseUrl, modules: MODULES, phase: "expand" });
const namesOf = (applied: readonly { service: string; name: string }[]) =>
  applied.map(({ service, name }) => `${service}/${name}`);

/** `service/name` of all expand steps that the services of the silo bring. */
async function expectedNames(silo: Silo): Promise<string[]> {
  const sets = await migrationSetsOf(
    MODULES.filter((module) => silo.mode === "MONOLITH" || module.localMode === silo.mode),
  );
  return sets.flatMap(({ service, migrations }) =>
    migrations.filter(({ phase }) => phase === "expand").map(({ name }) => `${service}/${name}`),
  );
}

async function ask(running: RunningSilo, path: "/healthz" | "/readyz") {
  const response = await fetch(running.httpAddress + path);
  const body = (await response.json()) as { ready?: boolean; database?: string; migrations_pending?: string[] };
  return { status: response.status, body };
}

describe.each(SILOS)("the database of %s", (_name, silo) => {
  test("is migrated once; the second time there is nothing to do", async () => {
    const url = await createDatabase();
    expect(namesOf(await migrate(silo, url))).toEqual(expect.arrayContaining(await expectedNames(silo)));
    expect(await migrate(silo, url)).toEqual([]);
  });

  test("is migrated by one of many connections at once; the others find nothing to do", async () => {
    const url = await createDatabase();
    const applied = await Promise.all(Array.from({ length: 6 }, () => migrate(silo, url)));
    expect(applied.filter((list) => list.length > 0)).toHaveLength(1);
    await start(silo, url);
  });
});

test("two processes that migrate one database at once both succeed, and one of them does it", async () => {
  const url = await createDatabase();
  const run = async () => {
    const env = { ...process.env, CELLWAY_CELL: "us1", CELLWAY_DATABASE_URL: url };
    const { stdout } = await promisify(execFile)(process.execPath, [CELLWAY, "migrate", "--silo", "cell", "--json"], {
      env,
    });
    return (JSON.parse(stdout) as { applied: unknown[] }).applied.length;
  };
  const counts = (await Promise.all([run(), run()])).toSorted((one, other) => one - other);
  expect(counts[0]).toBe(0);
  expect(counts[1]).toBeGreaterThan(0);
  expect(await migrate(createCellSilo("us1"), url)).toEqual([]);
});

test("the tables of the other side are not made", async () => {
  const url = await createDatabase();
  await migrate(createCellSilo("us1"), url);
  const schemas = await queryOnce<{ name: string }>(
    url,
    "select nspname as name from pg_namespace where nspname in ('cell', 'control')",
  );
  expect(schemas.map(({ name }) => name)).toEqual(["cell"]);
});

describe("a silo on a database that is not migrated", () => {
  test("is alive but not ready and names what is missing; once it is migrated it is ready without a restart", async () => {
    const silo = createCellSilo("us1");
    const url = await createDatabase();
    const running = await start(silo, url);
    expect((await ask(running, "/healthz")).status).toBe(200);
    const before = await ask(running, "/readyz");
    expect([before.status, before.body.ready, before.body.database]).toEqual([503, false, "ok"]);
    expect(before.body.migrations_pending).toEqual(expect.arrayContaining(await expectedNames(silo)));

    const applied = await migrate(silo, url);
    expect(namesOf(applied)).toEqual(before.body.migrations_pending);
    const after = await ask(running, "/readyz");
    expect([after.status, after.body.migrations_pending]).toEqual([200, []]);
  });

  test("is alive also when a service cannot be prepared; once it is migrated, control prepares it and is ready", async () => {
    const silo = createControlSilo();
    const url = await createDatabase();
    const running = await start(silo, url);
    expect((await ask(running, "/healthz")).status).toBe(200);
    const before = await ask(running, "/readyz");
    expect([before.status, before.body.ready, before.body.database]).toEqual([503, false, "ok"]);
    expect(before.body.migrations_pending).toEqual(expect.arrayContaining(await expectedNames(silo)));

    await migrate(silo, url);
    await until("control is ready", async () => (await ask(running, "/readyz")).status === 200);
    expect((await running.rpc.client(DirectoryService).listLocalities({})).localities).toHaveLength(2);
  });

  test("stops while a service cannot be prepared", async () => {
    const running = await start(createControlSilo(), await createDatabase());
    await running.stop();
    await expect(fetch(`${running.httpAddress}/healthz`)).rejects.toThrow("fetch failed");
  });
});

test("a service that cannot be prepared on a migrated database fails the start", async () => {
  const url = await createMigrated(createControlSilo());
  await queryOnce(url, "alter table control.locality rename to was_locality");
  await expect(startLoneSilo(createControlSilo(), url)).rejects.toThrow("locality");
});

describe("a database that goes away", () => {
  const silo = createCellSilo("us1");
  const get = (running: RunningSilo) =>
    running.rpc.client(OrganizationService).getOrganization({ organizationId: "1" });

  test("makes calls UNAVAILABLE and the silo not ready; back again, it serves without a restart", async () => {
    const database = await openCuttable(await createMigrated(silo));
    cleanups.push(() => database.close());
    const running = await start(silo, database.url);
    await get(running);
    await database.cut();
    for (let calls = 0; calls < 8; calls += 1) expect(await failureOf(get(running))).toEqual(UNAVAILABLE);
    expect((await ask(running, "/healthz")).status).toBe(200);
    expect((await ask(running, "/readyz")).status).toBe(503);
    await database.mend();
    expect((await get(running)).organization).toBeUndefined();
    expect((await ask(running, "/readyz")).status).toBe(200);
  });

  test("under calls that wait for it makes them UNAVAILABLE, and no call after them", async () => {
    const control = createControlSilo();
    const url = await createMigrated(control);
    const running = await start(control, url);
    const holder = new pg.Client({ connectionString: url });
    await holder.connect();
    try {
      // The calls wait for this lock until their connections are ended under them.
      await holder.query("begin; lock table control.locality in access exclusive mode");
      const waiting = Array.from({ length: 3 }, () =>
        failureOf(running.rpc.client(DirectoryService).listLocalities({})),
      );
      await until("the calls wait", async () => (await countWaiting(url)) === 3);
      await holder.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
      );
      expect(await Promise.all(waiting)).toEqual([UNAVAILABLE, UNAVAILABLE, UNAVAILABLE]);
    } finally {
      await holder.end();
    }
    expect((await running.rpc.client(DirectoryService).listLocalities({})).localities).toHaveLength(2);
  });

  test("and comes back while nobody calls is not noticed by the next call", async () => {
    const url = await createMigrated(silo);
    const running = await start(silo, url);
    await Promise.all([get(running), get(running), get(running)]);
    const terminate = `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'cellway-us1' and datname = current_database()`;
    await queryOnce(url, terminate);
    await until("the connections are gone", async () => {
      const left = `select from pg_stat_activity where application_name = 'cellway-us1' and datname = current_database()`;
      return (await queryOnce(url, left)).length === 0;
    });
    for (let calls = 0; calls < 3; calls += 1) expect((await get(running)).organization).toBeUndefined();
  });

  async function countWaiting(url: string): Promise<number> {
    return (
      await queryOnce(
        url,
        "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
      )
    ).length;
  }
});
