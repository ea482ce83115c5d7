import type { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { listCells as findCells } from "../store/topology.js";

/** ListCells. */
export function listCells(context: ServiceContext): MethodImpl<typeof DirectoryService.method.listCells> {
  return async () => ({
    cells: (await findCells(context.database)).map(({ name, number, locality, rpcAddress }) => ({
      name,
      number,
      locality,
      rpcAddress,
    })),
  });
}
