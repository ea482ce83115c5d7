import { isUniqueViolation } from "@cellway/database";
import type { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { changeOrganization } from "../change-organization.js";
import { toOrganizationMember } from "../convert.js";
import {
  createInviteAcceptedError,
  createInviteTokenInvalidError,
  createMemberExistsError,
  createMemberNotFoundError,
} from "../errors.js";
import { isInviteToken } from "../invite-token.js";
import { findMember, updateMember, withItsTeams } from "../store/organization-member.js";

/** AcceptInvite. */
export function acceptInvite(context: ServiceContext): MethodImpl<typeof OrganizationService.method.acceptInvite> {
  return async ({ organizationId, memberId, userId, inviteToken }) => {
    const member = await changeOrganization(context, organizationId, async (manager) => {
      const invited = await findMember(manager, organizationId, { memberId });
      if (invited === null) throw createMemberNotFoundError(memberId);
      // First of all, so that without the token nobody learns how far the invitation has come.
      if (!isInviteToken(inviteToken, invited.inviteTokenHash)) throw createInviteTokenInvalidError(memberId);
      if (invited.userId === userId) return withItsTeams(manager, invited);
      if (invited.userId !== null) throw createInviteAcceptedError(memberId);
      const accepted = await updateMember(manager, invited, { userId, inviteStatus: "ACCEPTED" });
      return withItsTeams(manager, accepted);
    }).catch((error: unknown) => {
      if (isUniqueViolation(error)) throw createMemberExistsError(error);
      throw error;
    });
    return { member: toOrganizationMember(member) };
  };
}
