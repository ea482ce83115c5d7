import type { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { toMapping } from "../convert.js";
import { findMappingBySlug, findMappings } from "../store/organization-mapping.js";

/** GetOrganizationMapping. */
export function getOrganizationMapping(
  context: ServiceContext,
): MethodImpl<typeof DirectoryService.method.getOrganizationMapping> {
  return async ({ organization }) => {
    const row =
      organization.case === "slug"
        ? await findMappingBySlug(context.database, organization.value)
        : (await findMappings(context.database, [organization.value ?? "0"]))[0];
    return row === undefined ? {} : { mapping: toMapping(row) };
  };
}
