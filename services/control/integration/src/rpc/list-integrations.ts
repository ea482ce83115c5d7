import type { IntegrationService } from "@cellway/gen/cellway/integration/v1/integration";
import { IntegrationStatus } from "@cellway/gen/cellway/integration/v1/integration";
import type { ServiceContext } from "@cellway/host";
import { cutPage, readPage } from "@cellway/rpc";
import type { MethodImpl } from "@connectrpc/connect";
import { toIntegration, toStatusName } from "../convert.js";
import { listIntegrations as findIntegrations } from "../store/integration.js";

/** ListIntegrations. */
export function listIntegrations(
  context: ServiceContext,
): MethodImpl<typeof IntegrationService.method.listIntegrations> {
  return async (req) => {
    const { limit, afterId } = readPage(req);
    const status = req.status === IntegrationStatus.UNSPECIFIED ? undefined : toStatusName(req.status);
    const filter = { organizationId: req.organizationId, provider: req.provider, status };
    const rows = await findIntegrations(context.database, filter, afterId, limit + 1);
    const { items, nextPageToken } = cutPage(rows, limit, (row) => row.id);
    return { integrations: items.map(toIntegration), nextPageToken };
  };
}
