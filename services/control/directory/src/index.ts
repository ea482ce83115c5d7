import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { implementContract, type ServiceModule } from "@cellway/host";
import { CellRow } from "./entities/cell.js";
import { LocalityRow } from "./entities/locality.js";
import { OrganizationMappingRow } from "./entities/organization-mapping.js";
import { OrganizationMemberMappingRow } from "./entities/organization-member-mapping.js";
import { OrganizationSlugReservation } from "./entities/organization-slug-reservation.js";
import { ProjectKeyMappingRow } from "./entities/project-key-mapping.js";
import { ProvisionRequest } from "./entities/provision-request.js";
import { takeProjectKeys } from "./outbox/project-keys.js";
import { Provisioner } from "./provisioning/provisioner.js";
import { createDirectoryResolver } from "./resolver.js";
import { createDirectoryRpc } from "./rpc/index.js";
import { seedTopology } from "./store/topology.js";

/** The directory: where every organization lives, who is in it, and how new ones come to be. */
export const directoryModule: ServiceModule = {
  name: "directory",
  localMode: "CONTROL",
  entities: [
    CellRow,
    LocalityRow,
    OrganizationSlugReservation,
    OrganizationMappingRow,
    OrganizationMemberMappingRow,
    ProvisionRequest,
    ProjectKeyMappingRow,
  ],
  migrations: new URL("../migrations/", import.meta.url),
  contracts: (context) => [implementContract(DirectoryService, createDirectoryRpc(context))],
  tasks: [
    {
      name: "directory.sweep-provisioning",
      localMode: "CONTROL",
      intervalMs: 5_000,
      run: (context) => new Provisioner(context).sweep(),
    },
  ],
  routes: [],
  receives: (context) => [takeProjectKeys(context)],
  createResolver: ({ database }) => createDirectoryResolver(database),
  prepare: (context) => seedTopology(context.database, context.topology),
};
