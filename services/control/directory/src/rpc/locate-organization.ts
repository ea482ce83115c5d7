import type { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { findMappingBySlug, findMappings } from "../store/organization-mapping.js";

/** LocateOrganization. */
export function locateOrganization(
  context: ServiceContext,
): MethodImpl<typeof DirectoryService.method.locateOrganization> {
  return async ({ organization: { case: kind, value } }) => {
    const row =
      kind === "slug"
        ? await findMappingBySlug(context.database, value)
        : (await findMappings(context.database, value === undefined ? [] : [value]))[0];
    return row === undefined ? {} : { location: { cellName: row.cell_name, routeEpoch: row.route_epoch } };
  };
}
