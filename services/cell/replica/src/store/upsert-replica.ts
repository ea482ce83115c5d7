import type { Queryable } from "@cellway/database";

/** A table of replicas: its name without the schema, and the column that names the object. */
export interface ReplicaTable {
  readonly name: string;
  readonly objectColumn: string;
  /** The columns that hold the content. */
  readonly contentColumns: readonly string[];
}

/** What a cell was told of an object. */
export interface Told {
  readonly cellName: string;
  readonly objectId: string;
  readonly version: string;
  /** Values of the content columns, in their order; undefined when the object is gone. */
  readonly content: readonly unknown[] | undefined;
}

/**
 * Takes over a newer state; one that is not newer changes nothing. Of what is gone only the version stays.
 */
export async function upsertReplica(db: Queryable, table: ReplicaTable, told: Told): Promise<void> {
  const { name, objectColumn, contentColumns } = table;
  const placeholders = contentColumns.map((_, index) => `$${index + 5}`);
  const assignments = contentColumns.map((column) => `${column} = excluded.${column}`);
  await db.query(
    `insert into cell.${name} as current (cell_name, ${objectColumn}, version, is_removed, ${contentColumns.join(", ")})
      values ($1, $2, $3, $4, ${placeholders.join(", ")})
      on conflict (cell_name, ${objectColumn}) do update set version = excluded.version, is_removed = excluded.is_removed,
        ${assignments.join(", ")}, updated_at = now()
      where current.version < excluded.version`,
    [
      told.cellName,
      told.objectId,
      told.version,
      told.content === undefined,
      ...(told.content ?? contentColumns.map(() => null)),
    ],
  );
}
