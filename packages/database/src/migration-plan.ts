import type { LocalMode } from "@cellway/silo";
import { schemaOf } from "./entities.js";
import { type Migration, MigrationError, type MigrationSet, numberOfMigration, withBuiltInSets } from "./migrations.js";
import { rowsOf } from "./queryable.js";
import { isOlderRelease, isRelease } from "./releases.js";

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
  /** Null where it is no contract step. */
  readonly needs: string | null;
}

/**
 * What {@link migrate} would apply now, in its order; nothing is changed or locked. For readiness: no expand step among
 * them means that the schema has all that the code needs.
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

/**
 * Contract steps that were applied and need a newer release than `version`: what that release uses may be gone. A release
 * that is unknown is not judged.
 *
 * @returns a sentence for each.
 */
export async function findTooNew(options: {
  query: SqlQuery;
  localMode: LocalMode;
  version: string;
}): Promise<string[]> {
  const { query, localMode, version } = options;
  if (!isRelease(version)) return [];
  const applied = (await readApplied(query, localMode)).filter(({ needs }) => needs !== null);
  return applied
    .filter(({ needs }) => isOlderRelease(version, needs ?? ""))
    .map(({ service, name, needs }) => `${service}/${name} was applied and needs release ${needs}; this is ${version}`);
}

async function readApplied(query: SqlQuery, localMode: LocalMode): Promise<AppliedRow[]> {
  const schema = schemaOf(localMode);
  const found = await query("select to_regclass($1) is not null as present", [`${schema}.schema_migration`]);
  if (rowsOf<{ present: boolean }>(found)[0]?.present !== true) return [];
  return rowsOf<AppliedRow>(
    // As JSON: a database that an older migrate has made lacks the column.
    await query(`select service, name, checksum, to_jsonb(m) ->> 'needs' as needs from ${schema}.schema_migration m`),
  );
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
