import { type Queryable, rowsOf, type SiloDatabase } from "@cellway/database";
import type { EntityManager } from "typeorm";
import { CellRow } from "../entities/cell.js";
import { LocalityRow } from "../entities/locality.js";
import type { CellContents } from "../errors.js";

const TOPOLOGY_LOCK = 7_202_601;

/** Holds which cells and localities there are until the transaction ends. */
export async function lockTopology(manager: EntityManager): Promise<void> {
  await manager.query("select pg_advisory_xact_lock($1)", [TOPOLOGY_LOCK]);
}

/** All cells, ordered by name. */
export function listCells(database: SiloDatabase): Promise<CellRow[]> {
  return database.getRepository(CellRow).find({ order: { name: "ASC" } });
}

/** All localities, ordered by name. */
export function listLocalities(database: SiloDatabase): Promise<LocalityRow[]> {
  return database.getRepository(LocalityRow).find({ order: { name: "ASC" } });
}

/** A cell by its name; null when there is none. */
export function findCell(database: SiloDatabase, name: string): Promise<CellRow | null> {
  return database.getRepository(CellRow).findOneBy({ name });
}

/** Locks a cell until the transaction ends: nothing can be placed there meanwhile. Null when there is none. */
export function lockCell(manager: EntityManager, name: string): Promise<CellRow | null> {
  return manager.findOne(CellRow, { where: { name }, lock: { mode: "pessimistic_write" } });
}

/** Names of the cells of a locality, ordered. */
export async function listCellNames(manager: EntityManager, locality: string): Promise<string[]> {
  const rows = await manager.find(CellRow, { select: { name: true }, where: { locality }, order: { name: "ASC" } });
  return rows.map((row) => row.name);
}

/** How many organizations each cell has, those that are being created included; a cell that has none is left out. */
export async function countOrganizations(db: Queryable): Promise<Map<string, number>> {
  const sql = `select cell_name, count(*)::int as count from control.organization_slug_reservation
    where kind = 'PRIMARY' group by cell_name`;
  const rows = rowsOf<{ cell_name: string; count: number }>(await db.query(sql));
  return new Map(rows.map((row) => [row.cell_name, row.count]));
}

/** Everything that would be lost with a cell. */
export async function countCellContents(db: Queryable, cell: string): Promise<CellContents> {
  const sql = `select
      (select count(*)::int from control.organization_mapping where cell_name = $1) as organizations,
      (select count(*)::int from control.organization_slug_reservation r where r.cell_name = $1 and not exists (
        select from control.organization_mapping m where m.organization_id = r.organization_id)) as reservations,
      (select count(*)::int from control.provision_request where cell_name = $1 and state <> 'done') as provisioning`;
  const [row] = rowsOf<CellContents>(await db.query(sql, [cell]));
  if (row === undefined) throw new Error("count returned no row.");
  return row;
}
