import { auditLogModule } from "@cellway/audit-log";
import { createDirectoryModule, type DirectoryOptions } from "@cellway/directory";
import type { ServiceModule } from "@cellway/host";
import { integrationModule } from "@cellway/integration";
import { organizationModule } from "@cellway/organization";
import { replicaModule } from "@cellway/replica";
import { createUserModule, type UserOptions } from "@cellway/user";
import { userIpModule } from "@cellway/user-ip";

/** Every service there is. A silo runs those that are local to it. */
export function createModules(options: DirectoryOptions & UserOptions = {}): readonly ServiceModule[] {
  return [
    createUserModule(options),
    integrationModule,
    createDirectoryModule(options),
    organizationModule,
    replicaModule,
    auditLogModule,
    userIpModule,
  ];
}

/** Every service, told nothing: for what does not serve them. */
export const MODULES: readonly ServiceModule[] = createModules();
