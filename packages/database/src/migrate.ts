import { setTimeout as delay } from "node:timers/promises";
import type { LocalMode } from "@cellway/silo";
import pg from "pg";
import { type DatabaseConnection, parseDatabaseUrl, toPgConfig } from "./connection.js";
import { assertNobodyIsOlder, type ListLiveVersions, MIGRATE_APPLICATION } from "./contract-gate.js";
import { schemaOf } from "./entities.js";
import { describeError, sqlStateOf } from "./errors.js";
import { takeMigrationLock } from "./migration-lock.js";
import { type PendingMigration, pendingMigrations, type SqlQuery } from "./migration-plan.js";
import { isTransactional, MigrationError, type MigrationPhase, type MigrationSet } from "./migrations.js";
import { assertServerVersion, toConnectError } from "./probe.js";

/** The SQLSTATE of a lock that was not to be had in time. */
const LOCK_NOT_AVAILABLE = "55P03";
const TABLE_LOCK_ATTEMPTS = 30;
/** After which a statement is given up whatever the server does: an index that is built concurrently takes long. */
const QUERY_TIMEOUT_MS = 3_600_000;

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
  /**
   * `expand` for before the new code runs; `contract` for when the old code is gone; `all` for a database that nobody
   * else uses yet. Default `all`.
   */
  readonly phase?: MigrationPhase | "all";
  /** Tells which releases run on the database. Whoever is connected is seen without it. */
  readonly listLiveVersions?: ListLiveVersions;
  /** The longest wait for another process that migrates the same database, in milliseconds. Default 60 000. */
  readonly lockTimeoutMs?: number;
  /**
   * The longest wait of one statement for a lock on a table, while the queries behind it wait too. After it the file is
   * rolled back and, as long after, tried again, 30 times in all. Default 500.
   */
  readonly tableLockTimeoutMs?: number;
  /** The longest time of one statement in a transaction, whose locks others may wait for. Default 30 000. */
  readonly statementTimeoutMs?: number;
  /** Told after each migration. */
  readonly onApplied?: (applied: AppliedMigration) => void;
}

/**
 * Applies what is missing and returns it, in order. Safe to run again and from many processes at once: one applies,
 * the others wait and then find nothing to do. Each migration and the row that records it commit together.
 *
 * A file that begins with `-- cellway: no-transaction` runs statement by statement instead (a statement ends with a
 * `;` at the end of a line); it may be run again after a failure, so it says `if not exists`, and drops what a failed
 * `create index concurrently` leaves behind. Such a statement holds nobody up; it is given up after an hour.
 *
 * A contract step is refused while a process may run that is older than the step needs.
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
  const query: SqlQuery = (sql, parameters) => client.query(sql, parameters);
  const pending = selectPhase(await pendingMigrations({ query, sets: options.sets }), options.phase ?? "all");
  for (const entry of pending) {
    if (entry.migration.phase === "contract")
      await assertNobodyIsOlder(entry, { query, listLiveVersions: options.listLiveVersions });
    const startedAt = performance.now();
    if (isTransactional(entry.migration)) await applyPatiently(client, entry, options);
    else await applyByStatement(client, entry);
    const { service, localMode, migration } = entry;
    applied.push({ service, localMode, name: migration.name, durationMs: performance.now() - startedAt });
    options.onApplied?.(applied.at(-1) as AppliedMigration);
  }
  return applied;
}

function selectPhase(pending: readonly PendingMigration[], phase: MigrationPhase | "all"): PendingMigration[] {
  const expand = pending.filter(({ migration }) => migration.phase === "expand");
  if (phase === "contract" && expand.length > 0) {
    const names = expand.map(({ service, migration }) => `${service}/${migration.name}`).join(", ");
    throw new MigrationError(`Expand steps come before contract steps, and these are missing: ${names}.`);
  }
  return pending.filter(({ migration }) => phase === "all" || migration.phase === phase);
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
       needs text,
       primary key (service, name)
     )`,
  );
  // Databases of release 0.1.0 lack the column.
  const { rowCount: hasNeeds } = await client.query(
    "select from pg_attribute where attrelid = $1::regclass and attname = 'needs'",
    [`${schema}.schema_migration`],
  );
  if (hasNeeds === 0) await client.query(`alter table ${schema}.schema_migration add column if not exists needs text`);
}

/** Tries again while a table is in use, and lets those who wait behind it through in between. */
async function applyPatiently(client: pg.Client, entry: PendingMigration, options: MigrateOptions): Promise<void> {
  const timeoutMs = Math.trunc(options.tableLockTimeoutMs ?? 500);
  for (let attempt = 1; ; attempt += 1) {
    try {
      await applyInTransaction(client, entry, { timeoutMs, statementTimeoutMs: options.statementTimeoutMs ?? 30_000 });
      return;
    } catch (error) {
      const isLocked = sqlStateOf((error as Error).cause) === LOCK_NOT_AVAILABLE;
      if (!isLocked || attempt >= TABLE_LOCK_ATTEMPTS) throw error;
    }
    await delay(timeoutMs);
  }
}

async function applyInTransaction(
  client: pg.Client,
  entry: PendingMigration,
  { timeoutMs, statementTimeoutMs }: { timeoutMs: number; statementTimeoutMs: number },
): Promise<void> {
  const transactionId = async () =>
    (await client.query<{ id: string }>("select pg_current_xact_id()::text as id")).rows[0]?.id;
  try {
    await client.query(
      `begin; set local statement_timeout = ${Math.trunc(statementTimeoutMs)}; set local lock_timeout = ${timeoutMs}`,
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
    // pg reads the limit of one query here; its types do not know it.
    await client.query({ text: sql, query_timeout: QUERY_TIMEOUT_MS } as pg.QueryConfig);
  } catch (error) {
    const position = Number((error as { position?: string }).position ?? 0);
    const line = entry.migration.sql.slice(0, entry.migration.sql.indexOf(sql) + position).split("\n").length;
    throw failure(entry, `${position > 0 ? `line ${line}: ` : ""}${describeError(error)}`, error);
  }
}

async function recordApplied(client: pg.Client, entry: PendingMigration): Promise<void> {
  const { service, migration } = entry;
  await client.query(
    `insert into ${schemaOf(entry.localMode)}.schema_migration (service, name, checksum, needs) values ($1, $2, $3, $4)`,
    [service, migration.name, migration.checksum, migration.needs ?? null],
  );
}

function failure(entry: PendingMigration, why: string, cause?: unknown): MigrationError {
  const label = `${schemaOf(entry.localMode)}/${entry.service}/${entry.migration.name}`;
  return new MigrationError(`The migration ${label} failed: ${why}`, { cause });
}

function createClient(connection: DatabaseConnection): pg.Client {
  const client = new pg.Client(
    toPgConfig(connection, { applicationName: MIGRATE_APPLICATION, connectTimeoutMs: 10_000 }),
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
