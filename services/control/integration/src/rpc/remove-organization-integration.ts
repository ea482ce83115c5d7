import type { IntegrationService } from "@cellway/gen/cellway/integration/v1/integration";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { deleteInstallation } from "../store/organization-integration.js";

/** RemoveOrganizationIntegration. */
export function removeOrganizationIntegration(
  context: ServiceContext,
): MethodImpl<typeof IntegrationService.method.removeOrganizationIntegration> {
  return async ({ organizationId, integrationId }) => ({
    wasRemoved: await deleteInstallation(context.database, { organizationId, integrationId }),
  });
}
