import { IntegrationStatus } from "@cellway/gen/cellway/integration/v1/integration";
import {
  IntegrationReplicaSchema,
  OrganizationIntegrationReplicaSchema,
} from "@cellway/gen/cellway/integration/v1/replicas";
import type { ServiceContext } from "@cellway/host";
import { type OutboxReceiver, receiveMessages } from "@cellway/outbox";
import { INTEGRATION_REPLICA, ORGANIZATION_INTEGRATION_REPLICA } from "../store/integration.js";
import { upsertReplica } from "../store/upsert-replica.js";
import { toDate } from "./to-date.js";

/** Keeps what the organizations of a cell have installed. */
export function takeOrganizationIntegrations({ database }: ServiceContext): OutboxReceiver {
  return receiveMessages(OrganizationIntegrationReplicaSchema, ({ recipient, objectId, version, content }) =>
    upsertReplica(database, ORGANIZATION_INTEGRATION_REPLICA, {
      cellName: recipient,
      objectId,
      version,
      content: content && [
        content.organizationId,
        content.integrationId,
        JSON.stringify(content.config ?? {}),
        content.defaultAuthId ?? null,
        IntegrationStatus[content.status],
        toDate(content.gracePeriodEnd),
        toDate(content.createdAt),
        toDate(content.updatedAt),
      ],
    }),
  );
}

/** Keeps the integrations that these belong to. */
export function takeIntegrations({ database }: ServiceContext): OutboxReceiver {
  return receiveMessages(IntegrationReplicaSchema, ({ recipient, objectId, version, content }) =>
    upsertReplica(database, INTEGRATION_REPLICA, {
      cellName: recipient,
      objectId,
      version,
      content: content && [
        content.provider,
        content.externalId,
        content.name,
        JSON.stringify(content.metadata ?? {}),
        IntegrationStatus[content.status],
        toDate(content.createdAt),
        toDate(content.updatedAt),
      ],
    }),
  );
}
