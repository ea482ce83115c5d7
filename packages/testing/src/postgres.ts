import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "@cellway/database";
import { migrateSilo, migrationSetsOf, type ServiceModule } from "@cellway/host";
import type { Silo } from "@cellway/silo";
import pg from "pg";

/** Set by jest's global setup for the workers: the URL of any database of the run's PostgreSQL. */
export const TEST_POSTGRES_ENV = "CELLWAY_TEST_POSTGRES_URL";

/** A PostgreSQL of its own, in a temporary folder that goes with it. Not durable. */
export async function startTestPostgres(): Promise<{ postgres: EmbeddedPostgres; stop(): Promise<void> }> {
  const dataDir = await mkdtemp(join(tmpdir(), "cellway-test-"));
  const postgres = await startEmbeddedPostgres({ dataDir, durable: false });
  return {
    postgres,
    async stop() {
      await postgres.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** The URL of the run's PostgreSQL; fails where jest's global setup did not run. */
export function testPostgresUrl(): string {
  const url = process.env[TEST_POSTGRES_ENV];
  if (url === undefined) throw new Error(`${TEST_POSTGRES_ENV} is not set: run the tests with npm test.`);
  return url;
}

/** `url` with another database. */
export function withDatabase(url: string, database: string): string {
  return url.replace(/\/[^/?]*(\?|$)/, `/${database}$1`);
}

async function withAdminClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

let created = 0;

/** A migrated database for one silo of one test, cloned from a template that is made once per schema. */
export async function createTestDatabase(
  silo: Silo,
  modules: readonly ServiceModule[],
): Promise<{ url: string; drop(): Promise<void> }> {
  const admin = testPostgresUrl();
  const template = await ensureTemplate(admin, silo, modules);
  const name = `test_${process.pid}_${created++}_${silo.name.replaceAll("-", "_")}`;
  await withAdminClient(admin, (client) =>
    client.query(`create database "${name}" template "${template}" strategy file_copy`),
  );
  return {
    url: withDatabase(admin, name),
    drop: () =>
      withAdminClient(
        admin,
        async (client) => void (await client.query(`drop database if exists "${name}" with (force)`)),
      ),
  };
}

const TEMPLATE_LOCK = 7_202_604;

/** The templates that this process knows to be there: nothing drops one. */
const ready = new Set<string>();

async function ensureTemplate(admin: string, silo: Silo, modules: readonly ServiceModule[]): Promise<string> {
  const sets = await migrationSetsOf(modules);
  const digest = createHash("sha256")
    .update(JSON.stringify([silo.mode, sets]))
    .digest("hex")
    .slice(0, 16);
  const template = `template_${silo.mode.toLowerCase()}_${digest}`;
  if (ready.has(template)) return template;
  await withAdminClient(admin, async (client) => {
    await client.query("select pg_advisory_lock($1)", [TEMPLATE_LOCK]);
    try {
      const { rows } = await client.query("select 1 from pg_database where datname = $1", [template]);
      if (rows.length > 0) return;
      const building = `${template}_building`;
      await client.query(`drop database if exists "${building}" with (force)`);
      await client.query(`create database "${building}"`);
      await migrateSilo({ silo, databaseUrl: withDatabase(admin, building), modules });
      await client.query(`alter database "${building}" rename to "${template}"`);
    } finally {
      await client.query("select pg_advisory_unlock($1)", [TEMPLATE_LOCK]);
    }
  });
  ready.add(template);
  return template;
}
