import { isForeignKeyViolation, isUniqueViolation } from "@cellway/database";
import { type AddCellRequest, CellState, type DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import type { EntityManager } from "typeorm";
import { assertCellAddress, assertCellHttpAddress, assertCellsCanChange, CELL_WEIGHT_DEFAULT } from "../cell-rules.js";
import { toCell } from "../convert.js";
import { CellRow } from "../entities/cell.js";
import { RemovedCellRow } from "../entities/removed-cell.js";
import { createCellExistsError, createCellNumberUsedError, createLocalityNotFoundError } from "../errors.js";
import { lockTopology } from "../store/topology.js";

/** AddCell. */
export function addCell(context: ServiceContext): MethodImpl<typeof DirectoryService.method.addCell> {
  return async (req) => {
    assertCellsCanChange(context);
    assertCellAddress(context, req.rpcAddress);
    assertCellHttpAddress(context, "http_address", req.httpAddress);
    assertCellHttpAddress(context, "ingest_address", req.ingestAddress);
    const row = await context.database
      .transaction((manager) => addOnce(manager, req))
      .catch((error: unknown) => {
        if (isUniqueViolation(error)) throw createCellExistsError(req.name, error);
        throw isForeignKeyViolation(error) ? createLocalityNotFoundError(req.locality) : error;
      });
    return { cell: toCell(row) };
  };
}

async function addOnce(manager: EntityManager, req: AddCellRequest): Promise<CellRow> {
  const { name, number, locality, rpcAddress } = req;
  await lockTopology(manager);
  const known = await manager.findOneBy(CellRow, { name });
  if (known !== null) {
    const isSame = known.number === number && known.locality === locality && known.rpcAddress === rpcAddress;
    if (isSame) return known;
    throw createCellExistsError(name);
  }
  const removed = await manager.findOneBy(RemovedCellRow, { number });
  if (removed !== null) throw createCellNumberUsedError(number, removed.name);
  const values = {
    name,
    number,
    locality,
    rpcAddress,
    httpAddress: req.httpAddress === "" ? null : req.httpAddress,
    ingestAddress: req.ingestAddress === "" ? null : req.ingestAddress,
    weight: req.weight === 0 ? CELL_WEIGHT_DEFAULT : req.weight,
    capacity: req.capacity === 0 ? null : req.capacity,
    state: req.state === CellState.DRAINING ? "DRAINING" : "ACTIVE",
    source: "OPERATOR",
  } as const;
  await manager.insert(CellRow, values);
  return manager.create(CellRow, values);
}
