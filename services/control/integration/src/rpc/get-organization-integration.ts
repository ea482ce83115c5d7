import type { IntegrationService } from "@cellway/gen/cellway/integration/v1/integration";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { toOrganizationIntegration } from "../convert.js";
import { findInstallation } from "../store/organization-integration.js";

/** GetOrganizationIntegration. */
export function getOrganizationIntegration(
  context: ServiceContext,
): MethodImpl<typeof IntegrationService.method.getOrganizationIntegration> {
  return async ({ organizationId, integrationId }) => {
    const row = await findInstallation(context.database, { organizationId, integrationId });
    return row === null ? {} : { organizationIntegration: toOrganizationIntegration(row) };
  };
}
