import type { IntegrationService } from "@cellway/gen/cellway/integration/v1/integration";
import type { ServiceContext } from "@cellway/host";
import { cutPage, readPage } from "@cellway/rpc";
import type { MethodImpl } from "@connectrpc/connect";
import { toOrganizationIntegration } from "../convert.js";
import { listInstallations } from "../store/organization-integration.js";

/** ListOrganizationIntegrations. */
export function listOrganizationIntegrations(
  context: ServiceContext,
): MethodImpl<typeof IntegrationService.method.listOrganizationIntegrations> {
  return async (req) => {
    const { limit, afterId } = readPage(req);
    const rows = await listInstallations(context.database, req, afterId, limit + 1);
    const { items, nextPageToken } = cutPage(rows, limit, (row) => row.id);
    return { organizationIntegrations: items.map(toOrganizationIntegration), nextPageToken };
  };
}
