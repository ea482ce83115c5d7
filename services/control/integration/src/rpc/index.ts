import type { IntegrationService } from "@cellway/gen/cellway/integration/v1/integration";
import type { ServiceContext } from "@cellway/host";
import type { ServiceImpl } from "@connectrpc/connect";
import { addOrganizationIntegration } from "./add-organization-integration.js";
import { createIntegration } from "./create-integration.js";
import { deleteIntegration } from "./delete-integration.js";
import { getIntegration } from "./get-integration.js";
import { getOrganizationContext } from "./get-organization-context.js";
import { getOrganizationContexts } from "./get-organization-contexts.js";
import { getOrganizationIntegration } from "./get-organization-integration.js";
import { listIntegrations } from "./list-integrations.js";
import { listOrganizationIntegrations } from "./list-organization-integrations.js";
import { removeOrganizationIntegration } from "./remove-organization-integration.js";
import { startGracePeriod } from "./start-grace-period.js";
import { updateIntegration } from "./update-integration.js";
import { updateOrganizationIntegration } from "./update-organization-integration.js";

/** All methods of the service. */
export function createIntegrationRpc(context: ServiceContext): ServiceImpl<typeof IntegrationService> {
  return {
    addOrganizationIntegration: addOrganizationIntegration(context),
    createIntegration: createIntegration(context),
    deleteIntegration: deleteIntegration(context),
    getIntegration: getIntegration(context),
    getOrganizationContext: getOrganizationContext(context),
    getOrganizationContexts: getOrganizationContexts(context),
    getOrganizationIntegration: getOrganizationIntegration(context),
    listIntegrations: listIntegrations(context),
    listOrganizationIntegrations: listOrganizationIntegrations(context),
    removeOrganizationIntegration: removeOrganizationIntegration(context),
    startGracePeriod: startGracePeriod(context),
    updateIntegration: updateIntegration(context),
    updateOrganizationIntegration: updateOrganizationIntegration(context),
  };
}
