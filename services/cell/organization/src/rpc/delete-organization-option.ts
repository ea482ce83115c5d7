import type { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { deleteOption } from "../store/organization-option.js";

/** DeleteOrganizationOption. */
export function deleteOrganizationOption(
  context: ServiceContext,
): MethodImpl<typeof OrganizationService.method.deleteOrganizationOption> {
  return async ({ organizationId, key }) => {
    return { wasDeleted: await deleteOption(context.database.manager, organizationId, key) };
  };
}
