import { auditLogModule } from "@cellway/audit-log";
import { controlLocatorOf, createDirectoryModule, type DirectoryOptions } from "@cellway/directory";
import { createGatewayModule, type GatewayOptions } from "@cellway/gateway";
import type { ServiceModule } from "@cellway/host";
import { createIngestModule, type IngestOptions } from "@cellway/ingest";
import { integrationModule } from "@cellway/integration";
import { organizationModule } from "@cellway/organization";
import { replicaModule } from "@cellway/replica";
import { createUserModule, type UserOptions } from "@cellway/user";
import { userIpModule } from "@cellway/user-ip";

/** What services are told. */
export interface ModuleOptions extends DirectoryOptions, UserOptions {
  readonly gateway?: Omit<GatewayOptions, "locatorOf">;
  readonly ingest?: IngestOptions | undefined;
}

/** Every service there is. A silo runs those that are local to it. */
export function createModules({ gateway, ingest, ...options }: ModuleOptions = {}): readonly ServiceModule[] {
  return [
    createUserModule(options),
    integrationModule,
    createDirectoryModule(options),
    organizationModule,
    replicaModule,
    auditLogModule,
    userIpModule,
    createIngestModule(ingest),
    createGatewayModule({ ...gateway, locatorOf: controlLocatorOf }),
  ];
}

/** Every service, told nothing: for what does not serve them. */
export const MODULES: readonly ServiceModule[] = createModules();
