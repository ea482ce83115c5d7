import type {
  GetOrganizationContextRequest,
  IntegrationService,
} from "@cellway/gen/cellway/integration/v1/integration";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { toContext } from "../convert.js";
import { findContext } from "../store/organization-integration.js";

/** GetOrganizationContext. */
export function getOrganizationContext(
  context: ServiceContext,
): MethodImpl<typeof IntegrationService.method.getOrganizationContext> {
  return async ({ organizationId, integration }) => {
    const row = await findContext(context.database, organizationId, toKey(integration));
    return row === null ? {} : { context: toContext(row) };
  };
}

function toKey(integration: GetOrganizationContextRequest["integration"]) {
  switch (integration.case) {
    case "provider":
      return { provider: integration.value };
    case "providerExternalId":
      return { provider: integration.value.provider, externalId: integration.value.externalId };
    default:
      return { integrationId: integration.value ?? "0" };
  }
}
