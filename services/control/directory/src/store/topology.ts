import type { SiloDatabase } from "@cellway/database";
import type { Topology } from "@cellway/silo";
import { CellRow } from "../entities/cell.js";
import { LocalityRow } from "../entities/locality.js";

const SEED_LOCK = 7_202_601;

/**
 * Makes the rows say what configuration says. Cells and localities that configuration does not name are left alone,
 * because they may have been added at run time. Safe from several processes at once.
 */
export async function seedTopology(database: SiloDatabase, topology: Topology): Promise<void> {
  await database.transaction(async (manager) => {
    await manager.query("select pg_advisory_xact_lock($1)", [SEED_LOCK]);
    const localities = [...topology.localities.values()].map(
      ({ name, displayName, category, newOrganizationCell }) => ({
        name,
        displayName,
        category,
        newOrganizationCell,
      }),
    );
    await manager.upsert(LocalityRow, localities, ["name"]);
    await manager.upsert(
      CellRow,
      [...topology.cells.values()].map((cell) => ({ ...cell })),
      ["name"],
    );
  });
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

/** A locality by its name; null when there is none. */
export function findLocality(database: SiloDatabase, name: string): Promise<LocalityRow | null> {
  return database.getRepository(LocalityRow).findOneBy({ name });
}
