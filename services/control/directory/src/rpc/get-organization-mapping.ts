import type { SiloDatabase } from "@cellway/database";
import type { DirectoryService, GetOrganizationMappingRequest } from "@cellway/gen/cellway/directory/v1/directory";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { toMapping } from "../convert.js";
import { findMappingByProjectKey, findMappingBySlug, findMappings } from "../store/organization-mapping.js";

/** GetOrganizationMapping. */
export function getOrganizationMapping(
  context: ServiceContext,
): MethodImpl<typeof DirectoryService.method.getOrganizationMapping> {
  return async ({ organization }) => {
    const row = await findRow(context.database, organization);
    return row === undefined ? {} : { mapping: toMapping(row) };
  };
}

async function findRow(database: SiloDatabase, { case: kind, value }: GetOrganizationMappingRequest["organization"]) {
  switch (kind) {
    case "slug":
      return findMappingBySlug(database, value);
    case "projectPublicKey":
      return findMappingByProjectKey(database, value);
    case "organizationId":
      return (await findMappings(database, [value]))[0];
    case undefined:
      return undefined;
  }
}
