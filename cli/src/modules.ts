import { auditLogModule } from "@cellway/audit-log";
import { directoryModule } from "@cellway/directory";
import type { ServiceModule } from "@cellway/host";
import { integrationModule } from "@cellway/integration";
import { organizationModule } from "@cellway/organization";
import { replicaModule } from "@cellway/replica";
import { userModule } from "@cellway/user";
import { userIpModule } from "@cellway/user-ip";

/** Every service there is. A silo runs those that are local to it. */
export const MODULES: readonly ServiceModule[] = [
  userModule,
  integrationModule,
  directoryModule,
  organizationModule,
  replicaModule,
  auditLogModule,
  userIpModule,
];
