import type { JsonObject, MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { IntegrationStatus } from "@cellway/gen/cellway/integration/v1/integration";
import type { ReplicaService, ReplicatedIntegrationSchema } from "@cellway/gen/cellway/replica/v1/replica";
import type { ServiceContext } from "@cellway/host";
import { cutPage, readPage } from "@cellway/rpc";
import type { MethodImpl } from "@connectrpc/connect";
import { type InstallationRow, listInstallations } from "../store/integration.js";

/** ReplicaService.ListOrganizationIntegrations. */
export function listOrganizationIntegrations(
  context: ServiceContext,
): MethodImpl<typeof ReplicaService.method.listOrganizationIntegrations> {
  return async (req) => {
    const page = readPage(req);
    const rows = await listInstallations(context.database, req.organizationId, page);
    const { items, nextPageToken } = cutPage(rows, page.limit, (row) => row.id);
    return { integrations: items.map(toReplicatedIntegration), nextPageToken };
  };
}

function toReplicatedIntegration(row: InstallationRow): MessageInitShape<typeof ReplicatedIntegrationSchema> {
  const { id, organizationId, integrationId, defaultAuthId, gracePeriodEnd } = row;
  return {
    organizationIntegration: {
      id,
      organizationId,
      integrationId,
      config: row.config as JsonObject,
      ...(defaultAuthId === null ? {} : { defaultAuthId }),
      status: IntegrationStatus[row.status],
      ...(gracePeriodEnd === null ? {} : { gracePeriodEnd: timestampFromDate(gracePeriodEnd) }),
      createdAt: timestampFromDate(row.createdAt),
      updatedAt: timestampFromDate(row.changedAt),
    },
    ...(row.provider === null ? {} : { integration: toIntegration(row, row.provider) }),
  };
}

function toIntegration(row: InstallationRow, provider: string) {
  return {
    id: row.integrationId,
    provider,
    externalId: row.externalId,
    name: row.name,
    metadata: row.metadata as JsonObject,
    status: IntegrationStatus[row.integrationStatus],
    createdAt: timestampFromDate(row.integrationCreatedAt),
    updatedAt: timestampFromDate(row.integrationChangedAt),
  };
}
