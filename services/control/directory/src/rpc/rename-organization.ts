import type { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { toMapping } from "../convert.js";
import { Renamer } from "../renaming/renamer.js";

/** RenameOrganization. */
export function renameOrganization(
  context: ServiceContext,
): MethodImpl<typeof DirectoryService.method.renameOrganization> {
  const renamer = new Renamer(context);
  return async (req) => ({ mapping: toMapping(await renamer.rename(req)) });
}
