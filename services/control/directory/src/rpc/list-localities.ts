import type { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { toLocality } from "../convert.js";
import { listLocalities as findLocalities, listCells } from "../store/topology.js";

/** ListLocalities. */
export function listLocalities(context: ServiceContext): MethodImpl<typeof DirectoryService.method.listLocalities> {
  return async () => {
    const cells = await listCells(context.database);
    const namesOf = (locality: string) => cells.filter((cell) => cell.locality === locality).map((cell) => cell.name);
    const localities = await findLocalities(context.database);
    return { localities: localities.map((row) => toLocality(row, namesOf(row.name))) };
  };
}
