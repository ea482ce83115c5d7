import type { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { assertCellsCanChange } from "../cell-rules.js";
import { CellRow } from "../entities/cell.js";
import { LocalityRow } from "../entities/locality.js";
import { RemovedCellRow } from "../entities/removed-cell.js";
import { createCellInUseError, createCellNotEmptyError } from "../errors.js";
import { controlRoutesOf } from "../feed/control-routes.js";
import { countCellContents, lockCell, lockTopology } from "../store/topology.js";

/** RemoveCell. */
export function removeCell(context: ServiceContext): MethodImpl<typeof DirectoryService.method.removeCell> {
  return async ({ name }) => {
    assertCellsCanChange(context);
    await context.database.transaction(async (manager) => {
      await lockTopology(manager);
      const cell = await lockCell(manager, name);
      if (cell === null) return;
      const contents = await countCellContents(manager, name);
      if (contents.organizations + contents.reservations + contents.provisioning > 0)
        throw createCellNotEmptyError(name, contents);
      const user = await manager.findOneBy(LocalityRow, { newOrganizationCell: name });
      if (user !== null) throw createCellInUseError(name, user.name);
      await manager.upsert(RemovedCellRow, { number: cell.number, name }, ["number"]);
      await manager.delete(CellRow, { name });
    });
    await controlRoutesOf(context).catchUp();
    return {};
  };
}
