import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { implementContract, type ServiceModule } from "@cellway/host";
import { auditLog } from "./audit.js";
import { directoryUpdatesOf } from "./directory-updates.js";
import { CancelledOrganizationRow } from "./entities/cancelled-organization.js";
import { DirectoryUpdateLeaseRow } from "./entities/directory-update-lease.js";
import { OrganizationRow } from "./entities/organization.js";
import { OrganizationMemberRow } from "./entities/organization-member.js";
import { OrganizationOptionRow } from "./entities/organization-option.js";
import { OrganizationSlugAliasRow } from "./entities/organization-slug-alias.js";
import { PendingDirectoryUpdateRow } from "./entities/pending-directory-update.js";
import { ProjectRow } from "./entities/project.js";
import { ProjectKeyRow } from "./entities/project-key.js";
import { TeamRow } from "./entities/team.js";
import { TeamMemberRow } from "./entities/team-member.js";
import { projectKeys } from "./outbox/project-keys.js";
import { removeDeadMembers } from "./remove-dead-members.js";
import { createOrganizationRpc } from "./rpc/index.js";
import { drainDirectoryUpdates } from "./tasks/drain-directory-updates.js";
import { dropExpiredSlugAliases } from "./tasks/drop-expired-aliases.js";
import { purgeDeleted } from "./tasks/purge-deleted.js";

/** Organizations with their members, teams, projects, keys and options, in the cell that owns them. */
export const organizationModule: ServiceModule = {
  name: "organization",
  localMode: "CELL",
  entities: [
    OrganizationRow,
    OrganizationSlugAliasRow,
    OrganizationMemberRow,
    TeamRow,
    TeamMemberRow,
    ProjectRow,
    ProjectKeyRow,
    OrganizationOptionRow,
    CancelledOrganizationRow,
    PendingDirectoryUpdateRow,
    DirectoryUpdateLeaseRow,
  ],
  migrations: new URL("../migrations/", import.meta.url),
  contracts: (context) => [implementContract(OrganizationService, createOrganizationRpc(context))],
  tasks: [drainDirectoryUpdates, purgeDeleted, dropExpiredSlugAliases],
  routes: [],
  sends: [projectKeys, auditLog],
  cascades: [removeDeadMembers],
  stop: (context) => directoryUpdatesOf(context).stop(),
};
