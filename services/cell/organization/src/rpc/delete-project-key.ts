import type { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { deleteProjectKey as removeProjectKey } from "../store/project-key.js";

/** DeleteProjectKey. */
export function deleteProjectKey(
  context: ServiceContext,
): MethodImpl<typeof OrganizationService.method.deleteProjectKey> {
  return async ({ organizationId, keyId }) => {
    return { wasDeleted: await removeProjectKey(context.database.manager, organizationId, keyId) };
  };
}
