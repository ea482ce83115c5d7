import type { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import type { ServiceContext } from "@cellway/host";
import { currentCall, cutPage, readPage } from "@cellway/rpc";
import { isControlName } from "@cellway/silo";
import type { MethodImpl } from "@connectrpc/connect";
import { toMapping } from "../convert.js";
import { createCellNotFoundError, createNotOwnCellError } from "../errors.js";
import { listMappingsOfCell } from "../store/organization-mapping.js";
import { findCell } from "../store/topology.js";

/** ListOrganizationMappings. */
export function listOrganizationMappings(
  context: ServiceContext,
): MethodImpl<typeof DirectoryService.method.listOrganizationMappings> {
  return async (req) => {
    const cell = await findCell(context.database, req.cellName);
    if (cell === null) throw createCellNotFoundError(req.cellName);
    assertOwnCell(req.cellName);
    const { limit, afterId } = readPage(req);
    const rows = await listMappingsOfCell(context.database, req.cellName, afterId, limit + 1);
    const { items, nextPageToken } = cutPage(rows, limit, (row) => row.organization_id);
    return { mappings: items.map(toMapping), nextPageToken };
  };
}

/** A cell may touch only its own organizations. Whoever is not control is a cell, also one that is not known here. */
function assertOwnCell(cellName: string): void {
  const caller = currentCall()?.caller;
  if (caller === undefined || isControlName(caller) || caller === cellName) return;
  throw createNotOwnCellError(caller, cellName);
}
