import { auditLogModule } from "@cellway/audit-log";
import { createDirectoryModule, type DirectoryOptions } from "@cellway/directory";
import type { ServiceModule } from "@cellway/host";
import { createIngestModule, type IngestOptions } from "@cellway/ingest";
import { integrationModule } from "@cellway/integration";
import { organizationModule } from "@cellway/organization";
import { replicaModule } from "@cellway/replica";
import { userModule } from "@cellway/user";
import { userIpModule } from "@cellway/user-ip";

/** Every service there is. A silo runs those that are local to it. */
export function createModules(
  options: DirectoryOptions & { readonly ingest?: IngestOptions } = {},
): readonly ServiceModule[] {
  return [
    userModule,
    integrationModule,
    createDirectoryModule(options),
    organizationModule,
    replicaModule,
    auditLogModule,
    userIpModule,
    createIngestModule(options.ingest),
  ];
}

/** Every service, told nothing: for what does not serve them. */
export const MODULES: readonly ServiceModule[] = createModules();
