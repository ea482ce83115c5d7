import type { IntegrationService } from "@cellway/gen/cellway/integration/v1/integration";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { toIntegration } from "../convert.js";
import { findIntegration, isInstalled } from "../store/integration.js";

/** GetIntegration. */
export function getIntegration(context: ServiceContext): MethodImpl<typeof IntegrationService.method.getIntegration> {
  return async ({ integration, organizationId }) => {
    const by =
      integration.case === "providerExternalId"
        ? { provider: integration.value.provider, externalId: integration.value.externalId }
        : { id: integration.value ?? "0" };
    const row = await findIntegration(context.database, by);
    if (row === null) return {};
    if (organizationId !== undefined && !(await isInstalled(context.database, row.id, organizationId))) return {};
    return { integration: toIntegration(row) };
  };
}
