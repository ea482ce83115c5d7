import { type MigrationSet, type Queryable, readTemplateSet, rowsOf, schemaOf } from "@cellway/database";
import type { LocalMode } from "@cellway/silo";
import type { Reference } from "./references.js";
import type { TombstoneSource } from "./sources.js";

/** The migrations of one side's tombstones. They come after those of its outbox and before those of services. */
export function tombstoneMigrations(localMode: LocalMode): Promise<MigrationSet> {
  return readTemplateSet(new URL("../migrations/", import.meta.url), { service: "tombstones", localMode, lock: "0" });
}

/** What of one side the code declares about tombstones. */
export interface TombstoneDeclarations {
  readonly references: readonly Reference[];
  readonly sources: readonly TombstoneSource[];
}

/**
 * What the code declares and no migration has set up, each as a line for an operator. Empty while the tombstones
 * themselves are not migrated.
 */
export async function findUnwired(
  db: Queryable,
  localMode: LocalMode,
  { references, sources }: TombstoneDeclarations,
): Promise<string[]> {
  const schema = schemaOf(localMode);
  const known = await db.query("select to_regclass($1)::text as oid", [`${schema}.tombstone_wiring`]);
  if (rowsOf<{ oid: string | null }>(known)[0]?.oid == null) return [];
  const sql = `select kind, table_name, column_name, target, category from ${schema}.tombstone_wiring`;
  const wired = new Set(rowsOf<WiringRow>(await db.query(sql)).map(describe));
  const needed: WiringRow[] = [
    ...references.map(({ table, column, target }) => row("REFERS", table, column, target)),
    ...sources.flatMap((source): WiringRow[] => {
      if (source.kind === "mirrors") return [row("MIRRORS", source.table, source.column, source.target)];
      return [{ ...row("TELLS", source.table, "id", source.target), category: source.category.number }];
    }),
  ];
  return needed
    .map(describe)
    .filter((line) => !wired.has(line))
    .map((line) => `${schema}: no migration has wired ${line}`);
}

interface WiringRow {
  readonly kind: "TELLS" | "MIRRORS" | "REFERS";
  readonly table_name: string;
  readonly column_name: string;
  readonly target: string;
  readonly category: number | null;
}

function row(kind: WiringRow["kind"], table: string, column: string, target: string): WiringRow {
  return { kind, table_name: table, column_name: column, target, category: null };
}

function describe({ kind, table_name, column_name, target, category }: WiringRow): string {
  return `${kind} ${table_name}.${column_name} ${target}${category === null ? "" : ` (category ${category})`}`;
}
