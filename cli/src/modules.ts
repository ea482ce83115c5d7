import { directoryModule } from "@cellway/directory";
import type { ServiceModule } from "@cellway/host";
import { integrationModule } from "@cellway/integration";
import { organizationModule } from "@cellway/organization";
import { replicaModule } from "@cellway/replica";
import { userModule } from "@cellway/user";

/** Every service there is. A silo runs those that are local to it. */
export const MODULES: readonly ServiceModule[] = [
  userModule,
  integrationModule,
  directoryModule,
  organizationModule,
  replicaModule,
];
