import { IntegrationService } from "@cellway/gen/cellway/integration/v1/integration";
import { implementContract, type ServiceModule } from "@cellway/host";
import { IntegrationRow } from "./entities/integration.js";
import { OrganizationIntegrationRow } from "./entities/organization-integration.js";
import { integrationReplicas } from "./outbox/integrations.js";
import { organizationIntegrationReplicas } from "./outbox/organization-integrations.js";
import { createIntegrationRpc } from "./rpc/index.js";

/** Integrations with third parties, and which organizations have installed them. */
export const integrationModule: ServiceModule = {
  name: "integration",
  localMode: "CONTROL",
  entities: [IntegrationRow, OrganizationIntegrationRow],
  migrations: new URL("../migrations/", import.meta.url),
  contracts: (context) => [implementContract(IntegrationService, createIntegrationRpc(context))],
  tasks: [],
  routes: [],
  sends: [organizationIntegrationReplicas, integrationReplicas],
};
