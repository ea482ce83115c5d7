import {
  ADVISORY_LOCK_CLASS,
  type MigrationSet,
  type Queryable,
  readTemplateSet,
  rowsOf,
  schemaOf,
} from "@cellway/database";
import type { LocalMode } from "@cellway/silo";
import type { OutboxSource } from "./source.js";

/** The first key of the locks that order the writers of a shard; the second is made of the shard. */
function shardLockOf(localMode: LocalMode): number {
  return ADVISORY_LOCK_CLASS + (localMode === "CONTROL" ? 1 : 2);
}

/** The migrations of one side's outbox. They come before those of services, which call what they create. */
export function outboxMigrations(localMode: LocalMode): Promise<MigrationSet> {
  return readTemplateSet(new URL("../migrations/", import.meta.url), {
    service: "outbox",
    localMode,
    lock: String(shardLockOf(localMode)),
  });
}

/**
 * The replicated tables whose changes the database does not tell of as the code declares, each as a line for an
 * operator. Empty while the outbox itself is not migrated.
 */
export async function findUntracked(
  db: Queryable,
  localMode: LocalMode,
  sources: readonly OutboxSource[],
): Promise<string[]> {
  const schema = schemaOf(localMode);
  const [known] = rowsOf<{ oid: string | null }>(
    await db.query("select to_regclass($1)::text as oid", [`${schema}.outbox_tracked`]),
  );
  if (known?.oid == null) return [];
  const sql = `select table_name, category, scope, shard_column, object_column from ${schema}.outbox_tracked`;
  const tracked = rowsOf<TrackedRow>(await db.query(sql));
  return sources.flatMap(({ category, table }) => {
    if (table === undefined) return [];
    const isTracked = tracked.some(
      (row) =>
        row.table_name === table.name &&
        row.category === category.number &&
        row.scope === (category.scope as number) &&
        row.shard_column === table.shardColumn &&
        row.object_column === table.objectColumn,
    );
    if (isTracked) return [];
    const { number, scope } = category;
    return [
      `${schema}.${table.name}: no migration calls outbox_track('${table.name}', ${number}, ${scope}, '${table.shardColumn}', '${table.objectColumn}', …)`,
    ];
  });
}

interface TrackedRow {
  readonly table_name: string;
  readonly category: number;
  readonly scope: number;
  readonly shard_column: string;
  readonly object_column: string;
}
