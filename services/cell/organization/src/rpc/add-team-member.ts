import type { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { createMemberNotFoundError, createTeamNotFoundError } from "../errors.js";
import { lockOrganization } from "../store/organization.js";
import { findForeignTeam, findMember } from "../store/organization-member.js";
import { joinTeam } from "../store/team.js";

/** AddTeamMember. The directory shows nothing of teams, so it is told nothing. */
export function addTeamMember(context: ServiceContext): MethodImpl<typeof OrganizationService.method.addTeamMember> {
  return async ({ organizationId, teamId, memberId }) => {
    const wasAdded = await context.database.transaction(async (manager) => {
      await lockOrganization(manager, organizationId);
      if ((await findForeignTeam(manager, organizationId, [teamId])) !== undefined)
        throw createTeamNotFoundError(teamId);
      if ((await findMember(manager, organizationId, { memberId })) === null) throw createMemberNotFoundError(memberId);
      return joinTeam(manager, { organizationId, teamId, memberId, createdAt: new Date(context.now()) });
    });
    return { wasAdded };
  };
}
