import type { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { toCell } from "../convert.js";
import { countOrganizations, listCells as findCells } from "../store/topology.js";

/** ListCells. */
export function listCells(context: ServiceContext): MethodImpl<typeof DirectoryService.method.listCells> {
  return async ({ withOrganizationCounts }) => {
    const counts = withOrganizationCounts ? await countOrganizations(context.database) : new Map<string, number>();
    const cells = await findCells(context.database);
    return { cells: cells.map((cell) => toCell(cell, counts.get(cell.name))) };
  };
}
