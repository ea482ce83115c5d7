import type { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import type { ServiceImpl } from "@connectrpc/connect";
import { addTeamMember } from "./add-team-member.js";
import { batchGetProjectKeys } from "./batch-get-project-keys.js";
import { createProject } from "./create-project.js";
import { createProjectKey } from "./create-project-key.js";
import { createTeam } from "./create-team.js";
import { deleteOrganizationOption } from "./delete-organization-option.js";
import { deleteProjectKey } from "./delete-project-key.js";
import { getOrganizationOption } from "./get-organization-option.js";
import { listProjectKeys } from "./list-project-keys.js";
import { listProjects } from "./list-projects.js";
import { listTeams } from "./list-teams.js";
import { mergeUsers } from "./merge-users.js";
import { removeTeamMember } from "./remove-team-member.js";
import { removeUser } from "./remove-user.js";
import { setOrganizationOption } from "./set-organization-option.js";

type ContentMethod =
  | "createTeam"
  | "listTeams"
  | "addTeamMember"
  | "removeTeamMember"
  | "createProject"
  | "listProjects"
  | "createProjectKey"
  | "listProjectKeys"
  | "batchGetProjectKeys"
  | "deleteProjectKey"
  | "getOrganizationOption"
  | "setOrganizationOption"
  | "deleteOrganizationOption"
  | "mergeUsers"
  | "removeUser";

/** What an organization holds, and what becomes of a user in all organizations of a cell. */
export function createContentRpc(
  context: ServiceContext,
): Pick<ServiceImpl<typeof OrganizationService>, ContentMethod> {
  return {
    createTeam: createTeam(context),
    listTeams: listTeams(context),
    addTeamMember: addTeamMember(context),
    removeTeamMember: removeTeamMember(context),
    createProject: createProject(context),
    listProjects: listProjects(context),
    createProjectKey: createProjectKey(context),
    listProjectKeys: listProjectKeys(context),
    batchGetProjectKeys: batchGetProjectKeys(context),
    deleteProjectKey: deleteProjectKey(context),
    getOrganizationOption: getOrganizationOption(context),
    setOrganizationOption: setOrganizationOption(context),
    deleteOrganizationOption: deleteOrganizationOption(context),
    mergeUsers: mergeUsers(context),
    removeUser: removeUser(context),
  };
}
