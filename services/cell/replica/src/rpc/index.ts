import type { ReplicaService } from "@cellway/gen/cellway/replica/v1/replica";
import type { ServiceContext } from "@cellway/host";
import type { ServiceImpl } from "@connectrpc/connect";
import { batchGetUsers } from "./batch-get-users.js";
import { listOrganizationIntegrations } from "./list-organization-integrations.js";
import { verifyApiToken } from "./verify-api-token.js";
import { verifySession } from "./verify-session.js";

/** ReplicaService, as a cell serves it to itself. */
export function createReplicaRpc(context: ServiceContext): ServiceImpl<typeof ReplicaService> {
  return {
    verifyApiToken: verifyApiToken(context),
    verifySession: verifySession(context),
    batchGetUsers: batchGetUsers(context),
    listOrganizationIntegrations: listOrganizationIntegrations(context),
  };
}
