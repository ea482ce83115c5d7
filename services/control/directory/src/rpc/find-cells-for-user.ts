import type { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { findCellsOfUser } from "../store/organization-mapping.js";

/** FindCellsForUser. */
export function findCellsForUser(context: ServiceContext): MethodImpl<typeof DirectoryService.method.findCellsForUser> {
  return async ({ userId }) => ({ cellNames: await findCellsOfUser(context.database, userId) });
}
