import { isUniqueViolation } from "@cellway/database";
import { CellState, type DirectoryService, type UpdateCellRequest } from "@cellway/gen/cellway/directory/v1/directory";
import type { ServiceContext } from "@cellway/host";
import { readUpdateMask } from "@cellway/rpc";
import type { MethodImpl } from "@connectrpc/connect";
import { assertCellAddress, assertCellHttpAddress, CELL_WEIGHT_DEFAULT } from "../cell-rules.js";
import { toCell } from "../convert.js";
import { CellRow } from "../entities/cell.js";
import { createCellExistsError, createCellNotFoundError, createInvalidFieldError } from "../errors.js";
import { controlRoutesOf } from "../feed/control-routes.js";
import { lockCell } from "../store/topology.js";

const PATHS = ["rpc_address", "http_address", "ingest_address", "weight", "capacity", "state"] as const;

/** UpdateCell. */
export function updateCell(context: ServiceContext): MethodImpl<typeof DirectoryService.method.updateCell> {
  return async (req) => {
    const { name } = req;
    const change = readChange(context, req);
    const row = await context.database
      .transaction(async (manager) => {
        const cell = await lockCell(manager, name);
        if (cell === null) throw createCellNotFoundError(name);
        await manager.update(CellRow, { name }, change);
        return manager.merge<CellRow>(CellRow, cell, change);
      })
      .catch((error: unknown) => {
        throw isUniqueViolation(error) ? createCellExistsError(name, error) : error;
      });
    const isMoved = ["rpcAddress", "httpAddress", "ingestAddress"].some((name) => name in change);
    if (isMoved) await controlRoutesOf(context).catchUp();
    return { cell: toCell(row) };
  };
}

type Change = Partial<
  Pick<CellRow, "rpcAddress" | "httpAddress" | "ingestAddress" | "weight" | "capacity" | "state" | "source">
>;

function readChange(context: ServiceContext, req: UpdateCellRequest): Change {
  const mask = readUpdateMask(req.updateMask, PATHS);
  const change: Change = {};
  if (mask.has("rpc_address")) {
    assertCellAddress(context, req.rpcAddress);
    Object.assign(change, { rpcAddress: req.rpcAddress, source: "OPERATOR" });
  }
  if (mask.has("http_address")) {
    assertCellHttpAddress(context, "http_address", req.httpAddress);
    Object.assign(change, { httpAddress: req.httpAddress === "" ? null : req.httpAddress, source: "OPERATOR" });
  }
  if (mask.has("ingest_address")) {
    assertCellHttpAddress(context, "ingest_address", req.ingestAddress);
    Object.assign(change, { ingestAddress: req.ingestAddress === "" ? null : req.ingestAddress, source: "OPERATOR" });
  }
  if (mask.has("weight")) change.weight = req.weight === 0 ? CELL_WEIGHT_DEFAULT : req.weight;
  if (mask.has("capacity")) change.capacity = req.capacity === 0 ? null : req.capacity;
  if (mask.has("state")) {
    if (req.state === CellState.UNSPECIFIED)
      throw createInvalidFieldError("state", "must be set, since update_mask names it");
    change.state = req.state === CellState.DRAINING ? "DRAINING" : "ACTIVE";
  }
  return change;
}
