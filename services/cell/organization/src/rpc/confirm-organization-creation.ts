import type { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { confirmCreation } from "../creation.js";
import { tellDirectory } from "../tell-directory.js";

/** ConfirmOrganizationCreation. */
export function confirmOrganizationCreation(
  context: ServiceContext,
): MethodImpl<typeof OrganizationService.method.confirmOrganizationCreation> {
  return async ({ organizationId }) => {
    if (await confirmCreation(context, organizationId)) await tellDirectory(context, organizationId);
    return {};
  };
}
