import type { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { findMappings } from "../store/organization-mapping.js";

/** FindCellsForOrganizations. */
export function findCellsForOrganizations(
  context: ServiceContext,
): MethodImpl<typeof DirectoryService.method.findCellsForOrganizations> {
  return async (req) => {
    const byCell = new Map<string, string[]>();
    for (const row of await findMappings(context.database, req.organizationIds)) {
      byCell.set(row.cell_name, [...(byCell.get(row.cell_name) ?? []), row.organization_id]);
    }
    const cells = [...byCell].map(([cellName, organizationIds]) => ({ cellName, organizationIds }));
    return { cells: cells.sort((a, b) => (a.cellName < b.cellName ? -1 : 1)) };
  };
}
