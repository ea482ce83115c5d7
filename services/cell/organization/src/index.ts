import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { implementContract, type ServiceModule } from "@cellway/host";
import { auditLog } from "./audit.js";
import { CancelledOrganizationRow } from "./entities/cancelled-organization.js";
import { OrganizationRow } from "./entities/organization.js";
import { OrganizationMemberRow } from "./entities/organization-member.js";
import { OrganizationOptionRow } from "./entities/organization-option.js";
import { OrganizationSlugAliasRow } from "./entities/organization-slug-alias.js";
import { ProjectRow } from "./entities/project.js";
import { ProjectKeyRow } from "./entities/project-key.js";
import { TeamRow } from "./entities/team.js";
import { TeamMemberRow } from "./entities/team-member.js";
import { takeCreationOutcomes } from "./outbox/creation-outcomes.js";
import { organizationMembers } from "./outbox/organization-members.js";
import { organizations } from "./outbox/organizations.js";
import { projectKeys } from "./outbox/project-keys.js";
import { teams } from "./outbox/teams.js";
import { removeDeadMembers } from "./remove-dead-members.js";
import { PUBLIC_ROUTES } from "./routes/index.js";
import { createOrganizationRpc } from "./rpc/index.js";
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
  ],
  migrations: new URL("../migrations/", import.meta.url),
  contracts: (context) => [implementContract(OrganizationService, createOrganizationRpc(context))],
  tasks: [purgeDeleted, dropExpiredSlugAliases],
  routes: PUBLIC_ROUTES,
  sends: [projectKeys, organizations, organizationMembers, teams, auditLog],
  receives: (context) => [takeCreationOutcomes(context)],
  cascades: [removeDeadMembers],
};
