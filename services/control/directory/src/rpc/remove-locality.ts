import type { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { LocalityRow } from "../entities/locality.js";
import { RemovedLocalityRow } from "../entities/removed-locality.js";
import { createLocalityNotEmptyError } from "../errors.js";
import { listCellNames, lockTopology } from "../store/topology.js";

/** RemoveLocality. */
export function removeLocality(context: ServiceContext): MethodImpl<typeof DirectoryService.method.removeLocality> {
  return async ({ name }) => {
    await context.database.transaction(async (manager) => {
      await lockTopology(manager);
      const cells = (await listCellNames(manager, name)).length;
      if (cells > 0) throw createLocalityNotEmptyError(name, cells);
      const { affected } = await manager.delete(LocalityRow, { name });
      if (affected === 1) await manager.upsert(RemovedLocalityRow, { name }, ["name"]);
    });
    return {};
  };
}
