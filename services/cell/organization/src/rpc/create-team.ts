import { isForeignKeyViolation, isUniqueViolation } from "@cellway/database";
import type { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { toTeam } from "../convert-content.js";
import { createOrganizationNotFoundError, createTeamExistsError } from "../errors.js";
import { nextId } from "../ids.js";
import { insertTeam } from "../store/team.js";
import { assertText } from "../text.js";

/** CreateTeam. */
export function createTeam(context: ServiceContext): MethodImpl<typeof OrganizationService.method.createTeam> {
  return async ({ organizationId, slug, name }) => {
    const { manager } = context.database;
    assertText(name, "name");
    const id = await nextId(context, manager, organizationId);
    const team = { id, organizationId, slug, name, createdAt: new Date(context.now()) };
    try {
      await context.database.transaction((own) => insertTeam(own, team));
    } catch (error) {
      if (isUniqueViolation(error, "team_slug_key")) throw createTeamExistsError(slug, error);
      if (isForeignKeyViolation(error)) throw createOrganizationNotFoundError(organizationId);
      throw error;
    }
    return { team: toTeam({ team, memberCount: 0 }) };
  };
}
