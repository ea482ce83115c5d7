import type { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { toMapping } from "../convert.js";
import { findMappings } from "../store/organization-mapping.js";

/** BatchGetOrganizationMappings. */
export function batchGetOrganizationMappings(
  context: ServiceContext,
): MethodImpl<typeof DirectoryService.method.batchGetOrganizationMappings> {
  return async ({ organizationIds }) => ({
    mappings: (await findMappings(context.database, organizationIds)).map(toMapping),
  });
}
