import { isForeignKeyViolation } from "@cellway/database";
import type { IntegrationService } from "@cellway/gen/cellway/integration/v1/integration";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { toOrganizationIntegration, toStoredJson } from "../convert.js";
import { createIntegrationNotFoundError } from "../errors.js";
import { insertInstallation } from "../store/organization-integration.js";

/** AddOrganizationIntegration. */
export function addOrganizationIntegration(
  context: ServiceContext,
): MethodImpl<typeof IntegrationService.method.addOrganizationIntegration> {
  return async ({ organizationId, integrationId, config, defaultAuthId }) => {
    const settings = { config: toStoredJson(config, "config"), defaultAuthId: defaultAuthId ?? null };
    try {
      const { row, wasCreated } = await insertInstallation(
        context.database,
        { organizationId, integrationId },
        settings,
      );
      return { organizationIntegration: toOrganizationIntegration(row), wasCreated };
    } catch (error) {
      throw isForeignKeyViolation(error) ? createIntegrationNotFoundError(integrationId, error) : error;
    }
  };
}
