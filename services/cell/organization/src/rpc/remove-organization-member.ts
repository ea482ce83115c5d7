import type { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { changeOrganization } from "../change-organization.js";
import { createLastOwnerError } from "../errors.js";
import { findMember, isLastOwner, removeMember } from "../store/organization-member.js";

/** RemoveOrganizationMember. */
export function removeOrganizationMember(
  context: ServiceContext,
): MethodImpl<typeof OrganizationService.method.removeOrganizationMember> {
  return async ({ organizationId, memberId }) => {
    const wasRemoved = await changeOrganization(context, organizationId, async (manager) => {
      const member = await findMember(manager, organizationId, { memberId });
      if (member === null) return false;
      if (await isLastOwner(manager, member)) throw createLastOwnerError(memberId);
      await removeMember(manager, member);
      return true;
    });
    return { wasRemoved };
  };
}
