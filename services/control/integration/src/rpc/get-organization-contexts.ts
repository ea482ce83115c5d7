import type { IntegrationService } from "@cellway/gen/cellway/integration/v1/integration";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { toContext } from "../convert.js";
import { CONTEXTS_MAX, listInstallations } from "../store/organization-integration.js";

/** GetOrganizationContexts. */
export function getOrganizationContexts(
  context: ServiceContext,
): MethodImpl<typeof IntegrationService.method.getOrganizationContexts> {
  return async (req) => ({
    contexts: (await listInstallations(context.database, req, "0", CONTEXTS_MAX)).map(toContext),
  });
}
