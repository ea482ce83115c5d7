import type { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { toCategory } from "../convert.js";
import { listLocalities as findLocalities, listCells } from "../store/topology.js";

/** ListLocalities. */
export function listLocalities(context: ServiceContext): MethodImpl<typeof DirectoryService.method.listLocalities> {
  return async () => {
    const cells = await listCells(context.database);
    const localities = await findLocalities(context.database);
    return {
      localities: localities.map(({ name, displayName, category, newOrganizationCell }) => ({
        name,
        displayName,
        category: toCategory(category),
        cellNames: cells.filter((cell) => cell.locality === name).map((cell) => cell.name),
        newOrganizationCell,
      })),
    };
  };
}
