import { isUniqueViolation } from "@cellway/database";
import type { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { toProject } from "../convert-content.js";
import type { ProjectRow } from "../entities/project.js";
import { createOrganizationNotFoundError, createProjectExistsError, createTeamNotFoundError } from "../errors.js";
import { nextId } from "../ids.js";
import { lockOrganization } from "../store/organization.js";
import { findForeignTeam } from "../store/organization-member.js";
import { insertProject } from "../store/project.js";
import { assertText } from "../text.js";

/** CreateProject. */
export function createProject(context: ServiceContext): MethodImpl<typeof OrganizationService.method.createProject> {
  return async ({ organizationId, slug, name, platform, teamId }) => {
    assertText(name, "name");
    const id = await nextId(context, context.database.manager, organizationId);
    const project = { id, organizationId, slug, name, platform, teamId, createdAt: new Date(context.now()) };
    try {
      await insertChecked(context, project);
    } catch (error) {
      if (isUniqueViolation(error, "project_slug_key")) throw createProjectExistsError(slug, error);
      throw error;
    }
    return { project: toProject(project) };
  };
}

/** The lock keeps the organization, and so its teams, from being purged in between. */
function insertChecked(context: ServiceContext, project: ProjectRow): Promise<void> {
  const { organizationId, teamId } = project;
  return context.database.transaction(async (manager) => {
    if ((await lockOrganization(manager, organizationId)) === null)
      throw createOrganizationNotFoundError(organizationId);
    if ((await findForeignTeam(manager, organizationId, [teamId])) !== undefined) throw createTeamNotFoundError(teamId);
    await insertProject(manager, project);
  });
}
