import type { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import type { ServiceContext } from "@cellway/host";
import { readUpdateMask } from "@cellway/rpc";
import type { MethodImpl } from "@connectrpc/connect";
import { toLocality } from "../convert.js";
import { LocalityRow } from "../entities/locality.js";
import { createCellNotFoundError, createLocalityNotFoundError } from "../errors.js";
import { listCellNames, lockTopology } from "../store/topology.js";

const PATHS = ["display_name", "new_organization_cell"] as const;

/** UpdateLocality. */
export function updateLocality(context: ServiceContext): MethodImpl<typeof DirectoryService.method.updateLocality> {
  return async ({ name, updateMask, displayName, newOrganizationCell }) => {
    const mask = readUpdateMask(updateMask, PATHS);
    const locality = await context.database.transaction(async (manager) => {
      await lockTopology(manager);
      const row = await manager.findOneBy(LocalityRow, { name });
      if (row === null) throw createLocalityNotFoundError(name);
      const cellNames = await listCellNames(manager, name);
      if (mask.has("new_organization_cell") && newOrganizationCell !== "" && !cellNames.includes(newOrganizationCell))
        throw createCellNotFoundError(newOrganizationCell);
      const change = {
        ...(mask.has("display_name") ? { displayName: displayName === "" ? name : displayName } : {}),
        ...(mask.has("new_organization_cell") ? { newOrganizationCell } : {}),
        source: "OPERATOR",
      } as const;
      await manager.update(LocalityRow, { name }, change);
      return toLocality(manager.merge(LocalityRow, row, change), cellNames);
    });
    return { locality };
  };
}
