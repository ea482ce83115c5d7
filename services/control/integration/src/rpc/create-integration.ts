import type { IntegrationService } from "@cellway/gen/cellway/integration/v1/integration";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { toIntegration, toStoredJson } from "../convert.js";
import { createIntegrationConflictError } from "../errors.js";
import { insertIntegration } from "../store/integration.js";

/** CreateIntegration. */
export function createIntegration(
  context: ServiceContext,
): MethodImpl<typeof IntegrationService.method.createIntegration> {
  return async ({ provider, externalId, name, metadata }) => {
    const integration = { provider, externalId, name, metadata: toStoredJson(metadata, "metadata") };
    const { row, wasCreated, isSame } = await insertIntegration(context.database, integration);
    if (!isSame) throw createIntegrationConflictError(provider, externalId);
    return { integration: toIntegration(row), wasCreated };
  };
}
