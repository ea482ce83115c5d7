import { auditLogModule } from "@cellway/audit-log";
import { controlLocatorOf, directoryModule } from "@cellway/directory";
import { createGatewayModule } from "@cellway/gateway";
import type { ServiceModule } from "@cellway/host";
import { ingestModule } from "@cellway/ingest";
import { integrationModule } from "@cellway/integration";
import { organizationModule } from "@cellway/organization";
import { replicaModule } from "@cellway/replica";
import { userModule } from "@cellway/user";
import { userIpModule } from "@cellway/user-ip";

/** Every module of the product, as the command line hosts them. */
export const MODULES: readonly ServiceModule[] = [
  directoryModule,
  userModule,
  integrationModule,
  organizationModule,
  replicaModule,
  auditLogModule,
  userIpModule,
  ingestModule,
  createGatewayModule({ locatorOf: controlLocatorOf }),
];
