import type { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { cancelCreation } from "../creation.js";

/** CancelOrganizationCreation. */
export function cancelOrganizationCreation(
  context: ServiceContext,
): MethodImpl<typeof OrganizationService.method.cancelOrganizationCreation> {
  return async ({ organizationId }) => {
    await cancelCreation(context, organizationId);
    return {};
  };
}
