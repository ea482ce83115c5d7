import type { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { lockOrganization } from "../store/organization.js";
import { leaveTeam } from "../store/team.js";

/** RemoveTeamMember. The directory shows nothing of teams, so it is told nothing. */
export function removeTeamMember(
  context: ServiceContext,
): MethodImpl<typeof OrganizationService.method.removeTeamMember> {
  return async ({ organizationId, teamId, memberId }) => {
    const wasRemoved = await context.database.transaction(async (manager) => {
      await lockOrganization(manager, organizationId);
      return leaveTeam(manager, { organizationId, teamId, memberId });
    });
    return { wasRemoved };
  };
}
