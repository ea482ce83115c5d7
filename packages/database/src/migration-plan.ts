import type { LocalMode } from "@cellway/silo";
import { schemaOf } from "./entities.js";
import { type Migration, MigrationError, type MigrationSet, numberOfMigration, withBuiltInSets } from "./migrations.js";
import { rowsOf } from "./queryable.js";

/** Runs SQL and answers the rows, bare or as `{rows}`. */
export type SqlQuery = (sql: string, parameters?: unknown[]) => Promise<unknown>;

/** A migration that a database lacks. */
export interface PendingMigration {
  readonly service: string;
  readonly localMode: LocalMode;
  readonly migration: Migration;
}

interface AppliedRow {
  readonly service: string;
  readonly name: string;
  readonly checksum: string;
}

/**
 * What {@link migrate} would apply now, in its order; nothing is changed or locked. For readiness: empty means that
 * the schema is at least as new as the code.
 *
 * @throws MigrationError when an applied migration was edited or is gone.
 */
export async function pendingMigrations(options: {
  query: SqlQuery;
  sets: readonly MigrationSet[];
}): Promise<PendingMigration[]> {
  const sets = await withBuiltInSets(options.sets);
  const pending: PendingMigration[] = [];
  const applied = new Map<LocalMode, AppliedRow[]>();
  for (const set of sets) {
    const rows = applied.get(set.localMode) ?? (await readApplied(options.query, set.localMode));
    applied.set(set.localMode, rows);
    pending.push(
      ...planSet(
        set,
        rows.filter((row) => row.service === set.service),
      ),
    );
  }
  return pending;
}

async function readApplied(query: SqlQuery, localMode: LocalMode): Promise<AppliedRow[]> {
  const schema = schemaOf(localMode);
  const found = await query("select to_regclass($1) is not null as present", [`${schema}.schema_migration`]);
  if (rowsOf<{ present: boolean }>(found)[0]?.present !== true) return [];
  return rowsOf<AppliedRow>(await query(`select service, name, checksum from ${schema}.schema_migration`));
}

/**
 * An applied migration that is newer than every known one is left alone: during a rolling deploy the old code meets
 * the new schema. A known one that is older than an applied one still runs: two branches may be merged in any order.
 */
function planSet(set: MigrationSet, applied: readonly AppliedRow[]): PendingMigration[] {
  const known = new Map(set.migrations.map((migration) => [migration.name, migration]));
  const newest = Math.max(0, ...set.migrations.map((migration) => numberOfMigration(migration.name)));
  for (const row of applied) {
    const migration = known.get(row.name);
    const label = `${schemaOf(set.localMode)}/${set.service}/${row.name}`;
    if (migration === undefined && numberOfMigration(row.name) <= newest) {
      throw new MigrationError(
        `The migration ${label} was applied to this database and is gone from the code. Restore the file.`,
      );
    }
    if (migration !== undefined && migration.checksum !== row.checksum) {
      throw new MigrationError(
        `The migration ${label} was edited after it was applied. Restore it and write a new one.`,
      );
    }
  }
  const done = new Set(applied.map((row) => row.name));
  return set.migrations
    .filter((migration) => !done.has(migration.name))
    .map((migration) => ({ service: set.service, localMode: set.localMode, migration }));
}
