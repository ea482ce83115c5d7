import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { RouteFeedService } from "@cellway/gen/cellway/directory/v1/route_feed";
import { implementContract, type ServiceContext, type ServiceModule } from "@cellway/host";
import type { Locator } from "@cellway/locator";
import { mirrorDeletions } from "@cellway/tombstones";
import { createEdgeFeedKeys, type EdgeFeedKeys } from "./edge-feed/keys.js";
import { createEdgeFeedRoutes } from "./edge-feed/routes.js";
import { CellRow } from "./entities/cell.js";
import { LocalityRow } from "./entities/locality.js";
import { OrganizationMappingRow } from "./entities/organization-mapping.js";
import { OrganizationMemberMappingRow } from "./entities/organization-member-mapping.js";
import { OrganizationRename } from "./entities/organization-rename.js";
import { OrganizationSlugReservation } from "./entities/organization-slug-reservation.js";
import { ProjectKeyMappingRow } from "./entities/project-key-mapping.js";
import { ProvisionRequest } from "./entities/provision-request.js";
import { RemovedCellRow } from "./entities/removed-cell.js";
import { RemovedLocalityRow } from "./entities/removed-locality.js";
import { controlRoutesOf } from "./feed/control-routes.js";
import { pruneRouteLog } from "./feed/prune-route-log.js";
import { creationOutcomes } from "./outbox/creation-outcomes.js";
import { takeOrganizationMembers } from "./outbox/organization-members.js";
import { takeOrganizations } from "./outbox/organizations.js";
import { takeProjectKeys } from "./outbox/project-keys.js";
import { takeTeams } from "./outbox/teams.js";
import { Provisioner } from "./provisioning/provisioner.js";
import { dropExpiredAliases } from "./renaming/drop-expired-aliases.js";
import { Renamer } from "./renaming/renamer.js";
import { createDirectoryResolver } from "./resolver.js";
import { directoryRoutes } from "./routes.js";
import { createDirectoryRpc } from "./rpc/index.js";
import { watchRoutes } from "./rpc/watch-routes.js";
import { seedTopology } from "./store/seed-topology.js";
import { listCells } from "./store/topology.js";

/** Control's own routes in memory, for others of its silo. They are fed from its tables and log; the directory stops them. */
export function controlLocatorOf(context: ServiceContext): Locator {
  return controlRoutesOf(context).locator;
}

export { createEdgeFeedKeys, type EdgeFeedKeys, parseEdgeFeedKeys } from "./edge-feed/keys.js";

/** What the directory is told besides what every service knows. */
export interface DirectoryOptions {
  /** Who may read the edge feed. Default: nobody. */
  readonly edgeFeedKeys?: EdgeFeedKeys;
}

/** The directory: where every organization lives, who is in it, and how new ones come to be. */
export function createDirectoryModule({ edgeFeedKeys = createEdgeFeedKeys() }: DirectoryOptions = {}): ServiceModule {
  return { ...DIRECTORY, internalRoutes: createEdgeFeedRoutes(edgeFeedKeys) };
}

const DIRECTORY: ServiceModule = {
  name: "directory",
  localMode: "CONTROL",
  entities: [
    CellRow,
    LocalityRow,
    OrganizationSlugReservation,
    OrganizationMappingRow,
    OrganizationMemberMappingRow,
    OrganizationRename,
    ProvisionRequest,
    ProjectKeyMappingRow,
    RemovedCellRow,
    RemovedLocalityRow,
  ],
  migrations: new URL("../migrations/", import.meta.url),
  contracts: (context) => [
    implementContract(DirectoryService, createDirectoryRpc(context)),
    implementContract(RouteFeedService, { watchRoutes: watchRoutes(context) }),
  ],
  tasks: [
    {
      name: "directory.sweep-provisioning",
      localMode: "CONTROL",
      intervalMs: 5_000,
      run: (context) => new Provisioner(context).sweep(),
    },
    {
      name: "directory.prune-route-log",
      localMode: "CONTROL",
      intervalMs: 60_000,
      run: pruneRouteLog,
    },
    {
      name: "directory.sweep-renames",
      localMode: "CONTROL",
      intervalMs: 5_000,
      run: (context) => new Renamer(context).sweep(),
    },
    {
      name: "directory.drop-expired-aliases",
      localMode: "CONTROL",
      intervalMs: 60_000,
      run: dropExpiredAliases,
    },
  ],
  routes: directoryRoutes,
  sends: [creationOutcomes],
  receives: (context) => [
    takeProjectKeys(context),
    takeOrganizations(context),
    takeOrganizationMembers(context),
    takeTeams(context),
  ],
  tombstones: [mirrorDeletions("cell.organization", { table: "organization_mapping", column: "organization_id" })],
  createResolver: createDirectoryResolver,
  listPeers: async ({ database }) => new Map((await listCells(database)).map((cell) => [cell.name, cell.rpcAddress])),
  async prepare(context) {
    await seedTopology(context);
    controlRoutesOf(context).start();
  },
  // The streams of the route feed would keep the silo from stopping.
  leave: (context) => controlRoutesOf(context).feed.end(),
  stop: (context) => controlRoutesOf(context).stop(),
};

/** The directory of which nobody reads the edge feed. */
export const directoryModule: ServiceModule = createDirectoryModule();
