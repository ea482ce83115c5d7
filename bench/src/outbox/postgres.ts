import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type EmbeddedPostgres, migrate, startEmbeddedPostgres } from "@cellway/database";
import { outboxMigrations } from "@cellway/outbox";
import pg from "pg";

/** The settings that are not the server's own: durability is on. */
export const SETTINGS = { shared_buffers: "256MB", max_wal_size: "4GB", autovacuum_naptime: 10 } as const;

/** One database of the bench's PostgreSQL. */
export interface BenchDatabase {
  readonly url: string;
  readonly pool: pg.Pool;
}

/** A durable PostgreSQL in a temporary folder, which goes with it. */
export interface BenchPostgres {
  readonly version: string;
  /** A database of its own for each contender. */
  database(name: string): Promise<BenchDatabase>;
  stop(): Promise<void>;
}

/** Starts the PostgreSQL that all contenders share. */
export async function startBenchPostgres(): Promise<BenchPostgres> {
  const dataDir = await mkdtemp(join(tmpdir(), "cellway-bench-"));
  const postgres: EmbeddedPostgres = await startEmbeddedPostgres({ dataDir, durable: true, settings: SETTINGS });
  const pools: pg.Pool[] = [];
  const database = async (name: string): Promise<BenchDatabase> => {
    const url = await postgres.createDatabase(name);
    const pool = new pg.Pool({ connectionString: url, max: 12, application_name: `bench-${name}` });
    // Connections are killed on purpose, and the server goes before its last one.
    pool.on("error", () => {});
    pools.push(pool);
    return { url, pool };
  };
  const { rows } = await (await database("probe")).pool.query("show server_version");
  return {
    version: rows[0].server_version,
    database,
    async stop() {
      await Promise.all(pools.map((pool) => pool.end()));
      await postgres.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** A database with the outboxes of both sides. */
export async function createOutboxDatabase(postgres: BenchPostgres, name: string): Promise<BenchDatabase> {
  const database = await postgres.database(name);
  await migrate({ url: database.url, sets: [await outboxMigrations("CONTROL"), await outboxMigrations("CELL")] });
  return database;
}
