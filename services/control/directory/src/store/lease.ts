import { type Queryable, rowsOf } from "@cellway/database";

/** How long a worker may be silent before what it works on counts as abandoned: longer than the longest call. */
const LEASE_MS = 30_000;

/** The end of a lease that begins now, as SQL. Leases run by the database's clock, which all processes share. */
export const leaseEnd = () => `now() + interval '${LEASE_MS} milliseconds'`;

/** Whether the worker that holds a row may still be at it; false when there is no row. */
export async function isRowLeased(
  db: Queryable,
  row: { readonly table: string; readonly key: string; readonly value: string },
): Promise<boolean> {
  const sql = `select lease_until > now() as is_leased from ${row.table} where ${row.key} = $1`;
  return rowsOf<{ is_leased: boolean }>(await db.query(sql, [row.value]))[0]?.is_leased === true;
}

/** The ids of rows by their cell, in the order of the rows. */
export function groupByCell(
  rows: readonly { readonly id: string; readonly cell_name: string }[],
): Map<string, string[]> {
  const byCell = new Map<string, string[]>();
  for (const { id, cell_name: cell } of rows) byCell.set(cell, [...(byCell.get(cell) ?? []), id]);
  return byCell;
}
