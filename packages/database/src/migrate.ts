import type { LocalMode } from "@cellway/silo";
import pg from "pg";
import { type DatabaseConnection, parseDatabaseUrl, toPgConfig } from "./connection.js";
import { schemaOf } from "./entities.js";
import { describeError } from "./errors.js";
import { takeMigrationLock } from "./migration-lock.js";
import { type PendingMigration, pendingMigrations } from "./migration-plan.js";
import { isTransactional, MigrationError, type MigrationSet } from "./migrations.js";
import { assertServerVersion, toConnectError } from "./probe.js";

/** One migration that has just been applied. */
export interface AppliedMigration {
  readonly service: string;
  readonly localMode: LocalMode;
  readonly name: string;
  readonly durationMs: number;
}

/** What to bring up to date, and how. */
export interface MigrateOptions {
  /** The database; its role may create schemas and tables. A transaction pooler will do. */
  readonly url: string;
  /** Applied in this order, each in the order of its numbers, after the built-in ones. */
  readonly sets: readonly MigrationSet[];
  /** The longest wait for another process that migrates the same database, in milliseconds. Default 60 000. */
  readonly lockTimeoutMs?: number;
  /** The longest wait of one statement for a lock on a table, while the queries behind it wait too. Default 10 000. */
  readonly tableLockTimeoutMs?: number;
  /** Told after each migration. */
  readonly onApplied?: (applied: AppliedMigration) => void;
}

/**
 * Applies what is missing and returns it, in order. Safe to run again and from many processes at once: one applies,
 * the others wait and then find nothing to do. Each migration and the row that records it commit together.
 *
 * A file that begins with `-- cellway: no-transaction` runs statement by statement instead (a statement ends with a
 * `;` at the end of a line); it may be run again after a failure, so it says `if not exists`, and drops what a failed
 * `create index concurrently` leaves behind.
 *
 * @throws MigrationError naming the migration that failed, was edited or is gone; the ones before it stay applied.
 * @throws DatabaseConnectError when the server is unreachable or too old.
 */
export async function migrate(options: MigrateOptions): Promise<AppliedMigration[]> {
  const connection = parseDatabaseUrl(options.url);
  const holder = createClient(connection);
  const worker = createClient(connection);
  // Losing the lock must stop the work: ending a client that runs a statement closes its socket.
  holder.once("end", () => void worker.end().catch(() => {}));
  try {
    await connect(connection, holder);
    await connect(connection, worker);
    await takeMigrationLock(holder, options.lockTimeoutMs ?? 60_000);
    return await applyPending(worker, options);
  } finally {
    await worker.end().catch(() => {});
    await holder.end().catch(() => {});
  }
}

async function applyPending(client: pg.Client, options: MigrateOptions): Promise<AppliedMigration[]> {
  for (const localMode of new Set(options.sets.map((set) => set.localMode))) await createBookkeeping(client, localMode);
  const applied: AppliedMigration[] = [];
  const pending = await pendingMigrations({
    query: (sql, parameters) => client.query(sql, parameters),
    sets: options.sets,
  });
  for (const entry of pending) {
    const startedAt = performance.now();
    if (isTransactional(entry.migration)) await applyInTransaction(client, entry, options.tableLockTimeoutMs ?? 10_000);
    else await applyByStatement(client, entry);
    const { service, localMode, migration } = entry;
    applied.push({ service, localMode, name: migration.name, durationMs: performance.now() - startedAt });
    options.onApplied?.(applied.at(-1) as AppliedMigration);
  }
  return applied;
}

async function createBookkeeping(client: pg.Client, localMode: LocalMode): Promise<void> {
  const schema = schemaOf(localMode);
  const { rowCount } = await client.query("select from pg_namespace where nspname = $1", [schema]);
  if (rowCount === 0) await client.query(`create schema ${schema}`);
  await client.query(
    `create table if not exists ${schema}.schema_migration (
       service text not null,
       name text not null,
       checksum text not null,
       applied_at timestamptz not null default now(),
       primary key (service, name)
     )`,
  );
}

async function applyInTransaction(
  client: pg.Client,
  entry: PendingMigration,
  tableLockTimeoutMs: number,
): Promise<void> {
  const transactionId = async () =>
    (await client.query<{ id: string }>("select pg_current_xact_id()::text as id")).rows[0]?.id;
  try {
    await client.query(
      `begin; set local statement_timeout = 0; set local lock_timeout = ${Math.trunc(tableLockTimeoutMs)}`,
    );
    const id = await transactionId();
    await runSql(client, entry, entry.migration.sql);
    if ((await transactionId()) !== id)
      throw failure(entry, "it ends its transaction itself; remove COMMIT and ROLLBACK");
    await recordApplied(client, entry);
    await client.query("commit");
  } catch (error) {
    await client.query("rollback").catch(() => {});
    throw error instanceof MigrationError ? error : failure(entry, describeError(error), error);
  }
}

async function applyByStatement(client: pg.Client, entry: PendingMigration): Promise<void> {
  for (const statement of entry.migration.sql.split(/(?<=;)[ \t]*(?:\n|$)/)) {
    if (statement.replaceAll(/^\s*--.*$/gm, "").trim() !== "") await runSql(client, entry, statement);
  }
  await recordApplied(client, entry);
}

async function runSql(client: pg.Client, entry: PendingMigration, sql: string): Promise<void> {
  try {
    await client.query(sql);
  } catch (error) {
    const position = Number((error as { position?: string }).position ?? 0);
    const line = entry.migration.sql.slice(0, entry.migration.sql.indexOf(sql) + position).split("\n").length;
    throw failure(entry, `${position > 0 ? `line ${line}: ` : ""}${describeError(error)}`, error);
  }
}

async function recordApplied(client: pg.Client, entry: PendingMigration): Promise<void> {
  const { service, migration } = entry;
  await client.query(
    `insert into ${schemaOf(entry.localMode)}.schema_migration (service, name, checksum) values ($1, $2, $3)`,
    [service, migration.name, migration.checksum],
  );
}

function failure(entry: PendingMigration, why: string, cause?: unknown): MigrationError {
  const label = `${schemaOf(entry.localMode)}/${entry.service}/${entry.migration.name}`;
  return new MigrationError(`The migration ${label} failed: ${why}`, { cause });
}

function createClient(connection: DatabaseConnection): pg.Client {
  const client = new pg.Client(
    toPgConfig(connection, { applicationName: "cellway-migrate", connectTimeoutMs: 10_000 }),
  );
  client.on("error", () => {}); // The statement that runs is rejected with the same error.
  return client;
}

async function connect(connection: DatabaseConnection, client: pg.Client): Promise<void> {
  try {
    await client.connect();
    await assertServerVersion(client);
  } catch (error) {
    throw toConnectError(connection, error);
  }
}
