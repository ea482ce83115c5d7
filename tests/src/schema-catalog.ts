import type pg from "pg";

/** A column, as far as somebody who writes rows must know it. */
export interface Column {
  readonly name: string;
  /** `bigint`, `text[]`. */
  readonly type: string;
  readonly isNullable: boolean;
  readonly hasDefault: boolean;
  /** Only the database gives it a value. */
  readonly isGenerated: boolean;
  /** Texts in the checks that concern it: one of them may be what is allowed. */
  readonly literals: readonly string[];
}

/** A foreign key. */
export interface ForeignKey {
  readonly columns: readonly string[];
  /** `cell.team`. */
  readonly target: string;
  readonly targetColumns: readonly string[];
}

/** A table with what old code knows of it. */
export interface Table {
  /** `cell.team`. */
  readonly name: string;
  readonly columns: readonly Column[];
  readonly primaryKey: readonly string[];
  readonly foreignKeys: readonly ForeignKey[];
}

/** What a release uses of its databases: proto/releases/<version>.schema.json. */
export interface ReleaseSchema {
  readonly version: string;
  /** The names of its migrations by `side/service`. */
  readonly migrations: Readonly<Record<string, readonly string[]>>;
  /** The columns that its code uses, by `schema.table`. */
  readonly tables: Readonly<Record<string, readonly string[]>>;
}

interface ColumnRow {
  readonly table: string;
  readonly name: string;
  readonly type: string;
  readonly nullable: boolean;
  readonly has_default: boolean;
  readonly generated: boolean;
  readonly checks: readonly string[];
}

interface KeyRow {
  readonly table: string;
  readonly kind: "p" | "f";
  readonly columns: readonly string[];
  readonly target: string | null;
  readonly target_columns: readonly string[] | null;
}

/** The tables that a database has and the release uses, with the columns that the release uses. */
export async function readTables(client: pg.ClientBase, release: ReleaseSchema): Promise<Table[]> {
  const columns = (await client.query<ColumnRow>(COLUMNS)).rows;
  const keys = (await client.query<KeyRow>(KEYS)).rows;
  return [...new Set(columns.map(({ table }) => table))]
    .filter((name) => release.tables[name] !== undefined)
    .map((name) => {
      const rows = columns.filter(({ table }) => table === name);
      const own = keys.filter((key) => key.table === name);
      return {
        name,
        columns: rows.filter((row) => release.tables[name]?.includes(row.name) === true).map(toColumn),
        primaryKey: own.find(({ kind }) => kind === "p")?.columns ?? [],
        foreignKeys: own.flatMap(({ kind, target, target_columns: targetColumns, columns: from }) =>
          kind === "f" && target !== null && targetColumns !== null ? [{ columns: from, target, targetColumns }] : [],
        ),
      };
    });
}

function toColumn(row: ColumnRow): Column {
  return {
    name: row.name,
    type: row.type,
    isNullable: row.nullable,
    hasDefault: row.has_default,
    isGenerated: row.generated,
    literals: row.checks.flatMap((check) => [...check.matchAll(/'([^']*)'::text/g)].map(([, text]) => text ?? "")),
  };
}

const TABLE = "format('%s.%s', n.nspname, t.relname)";
const COLUMNS = `
  select ${TABLE} as table, a.attname as name, format_type(a.atttypid, a.atttypmod) as type, not a.attnotnull as nullable,
    a.atthasdef or a.attidentity <> '' as has_default, a.attidentity = 'a' or a.attgenerated <> '' as generated,
    array(select pg_get_constraintdef(c.oid) from pg_constraint c
          where c.conrelid = t.oid and c.contype = 'c' and a.attnum = any (c.conkey)) as checks
  from pg_class t join pg_namespace n on n.oid = t.relnamespace join pg_attribute a on a.attrelid = t.oid
  where n.nspname in ('control', 'cell') and t.relkind = 'r' and a.attnum > 0 and not a.attisdropped
  order by 1, a.attnum`;
const NAMES = (table: string, numbers: string) => `
  array(select a.attname::text from unnest(${numbers}) with ordinality as k (number, place)
        join pg_attribute a on a.attrelid = ${table} and a.attnum = k.number order by k.place)`;
const KEYS = `
  select ${TABLE} as table, c.contype as kind, ${NAMES("c.conrelid", "c.conkey")} as columns,
    case when c.contype = 'f' then (select format('%s.%s', m.nspname, f.relname) from pg_class f
      join pg_namespace m on m.oid = f.relnamespace where f.oid = c.confrelid) end as target,
    case when c.contype = 'f' then ${NAMES("c.confrelid", "c.confkey")} end as target_columns
  from pg_constraint c join pg_class t on t.oid = c.conrelid join pg_namespace n on n.oid = t.relnamespace
  where n.nspname in ('control', 'cell') and c.contype in ('p', 'f')`;
