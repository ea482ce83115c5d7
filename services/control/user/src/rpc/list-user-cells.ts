import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import type { UserService } from "@cellway/gen/cellway/user/v1/user";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";

/** UserService.ListUserCells. */
export function listUserCells(context: ServiceContext): MethodImpl<typeof UserService.method.listUserCells> {
  const directory = context.rpc.client(DirectoryService);
  return async ({ userId }) => {
    const { cellNames } = await directory.findCellsForUser({ userId });
    return { cellNames };
  };
}
