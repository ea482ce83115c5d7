import type { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { toCell } from "../convert.js";
import type { CellRow } from "../entities/cell.js";
import { takesNewOrganizations } from "../provisioning/placement.js";
import { countOrganizations, listCells as findCells, listLocalities } from "../store/topology.js";

/** ListCells. */
export function listCells(context: ServiceContext): MethodImpl<typeof DirectoryService.method.listCells> {
  const { database } = context;
  return async ({ withOrganizationCounts }) => {
    const cells = await findCells(database);
    if (!withOrganizationCounts) return { cells: cells.map(toCell) };
    const counts = await countOrganizations(database);
    const localities = new Map((await listLocalities(database)).map((locality) => [locality.name, locality]));
    const describe = (cell: CellRow) => {
      const organizationCount = counts.get(cell.name) ?? 0;
      const locality = localities.get(cell.locality);
      const takesNew = locality !== undefined && takesNewOrganizations(cell, locality, organizationCount);
      return { ...toCell(cell), organizationCount, takesNewOrganizations: takesNew };
    };
    return { cells: cells.map(describe) };
  };
}
