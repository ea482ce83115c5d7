import type { ServiceContext } from "@cellway/host";
import type { Cell, Locality } from "@cellway/silo";
import type { EntityManager } from "typeorm";
import { CellRow } from "../entities/cell.js";
import { LocalityRow } from "../entities/locality.js";
import { RemovedCellRow } from "../entities/removed-cell.js";
import { RemovedLocalityRow } from "../entities/removed-locality.js";
import { createCellExistsError } from "../errors.js";
import { assertLocalityNameAllowed } from "../slug-rules.js";
import { lockTopology } from "./topology.js";

/**
 * Adds the cells and localities of the topology file that are missing, and lets those that no operator has changed at
 * run time follow it. What an operator added, changed or removed stays as the operator left it. Safe from several
 * processes at once.
 *
 * @throws ALREADY_EXISTS / SLUG_TAKEN for a new locality with the name of an organization's slug; CELL_EXISTS for a new
 *   cell with the number or the address of another.
 */
export async function seedTopology({
  database,
  topology,
  logger,
}: Pick<ServiceContext, "database" | "topology" | "logger">): Promise<void> {
  await database.transaction(async (manager) => {
    await lockTopology(manager);
    for (const locality of topology.localities.values()) {
      if (!(await seedLocality(manager, locality)))
        logger.info({ locality: locality.name }, "the topology file says otherwise of a locality; its row stands");
    }
    for (const cell of topology.cells.values()) {
      if (!(await seedCell(manager, cell)))
        logger.info({ cell: cell.name }, "the topology file says otherwise of a cell; its row stands");
    }
  });
}

/** Whether the row is now, or can be, what the file says. */
async function seedLocality(manager: EntityManager, locality: Locality): Promise<boolean> {
  const { name, displayName, category, newOrganizationCell } = locality;
  const wanted = { displayName, category, newOrganizationCell };
  const row = await manager.findOneBy(LocalityRow, { name });
  if (row === null) {
    if (await manager.existsBy(RemovedLocalityRow, { name })) return false;
    await assertLocalityNameAllowed(manager, name);
    await manager.insert(LocalityRow, { name, ...wanted });
    return true;
  }
  const isSame = Object.entries(wanted).every(([key, value]) => row[key as keyof typeof wanted] === value);
  if (isSame) return true;
  if (row.source === "OPERATOR") return false;
  await manager.update(LocalityRow, { name }, wanted);
  return true;
}

async function seedCell(
  manager: EntityManager,
  { name, number, locality, rpcAddress, ...cell }: Cell,
): Promise<boolean> {
  const row = await manager.findOneBy(CellRow, { name });
  // A file that does not say it takes nothing away: an older one, of a process beside this one, does not know the key.
  const httpAddress = cell.httpAddress === "" ? (row?.httpAddress ?? null) : cell.httpAddress;
  const ingestAddress = cell.ingestAddress === "" ? (row?.ingestAddress ?? null) : cell.ingestAddress;
  if (row === null) {
    if (await manager.existsBy(RemovedCellRow, { number })) return false;
    // Its locality was removed, and the cell with it or before.
    if (!(await manager.existsBy(LocalityRow, { name: locality }))) return false;
    if (await manager.existsBy(CellRow, [{ number }, { rpcAddress }])) throw createCellExistsError(name);
    await manager.insert(CellRow, { name, number, locality, rpcAddress, httpAddress, ingestAddress });
    return true;
  }
  const isSame =
    row.locality === locality &&
    row.rpcAddress === rpcAddress &&
    row.httpAddress === httpAddress &&
    row.ingestAddress === ingestAddress;
  if (isSame) return row.number === number;
  if (row.source === "OPERATOR") return false;
  await manager.update(CellRow, { name }, { locality, rpcAddress, httpAddress, ingestAddress });
  return row.number === number;
}
