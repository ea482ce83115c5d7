import { ReplicaService } from "@cellway/gen/cellway/replica/v1/replica";
import { implementContract, type ServiceModule } from "@cellway/host";
import { takeIntegrations, takeOrganizationIntegrations } from "./outbox/integrations.js";
import { takeSessions } from "./outbox/sessions.js";
import { takeApiTokens, takeUsers } from "./outbox/users.js";
import { createReplicaRpc } from "./rpc/index.js";

/** What a cell knows of what control owns: its members, their sessions and API tokens, its organizations' integrations. */
export const replicaModule: ServiceModule = {
  name: "replica",
  localMode: "CELL",
  entities: [],
  migrations: new URL("../migrations/", import.meta.url),
  contracts: (context) => [implementContract(ReplicaService, createReplicaRpc(context))],
  tasks: [],
  routes: [],
  receives: (context) => [
    takeUsers(context),
    takeApiTokens(context),
    takeSessions(context),
    takeOrganizationIntegrations(context),
    takeIntegrations(context),
  ],
};
