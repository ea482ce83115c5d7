import type { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import { readUpdateMask } from "@cellway/rpc";
import type { MethodImpl } from "@connectrpc/connect";
import { changeOrganization } from "../change-organization.js";
import { toOrganizationMember, toRoleText } from "../convert.js";
import { createFieldNotSetError, createLastOwnerError, createMemberNotFoundError } from "../errors.js";
import { findMember, isLastOwner, updateMember, withItsTeams } from "../store/organization-member.js";

/** UpdateOrganizationMember. */
export function updateOrganizationMember(
  context: ServiceContext,
): MethodImpl<typeof OrganizationService.method.updateOrganizationMember> {
  return async ({ organizationId, memberId, updateMask, role: wantedRole }) => {
    readUpdateMask(updateMask, ["role"]);
    if (wantedRole === undefined) throw createFieldNotSetError("role");
    const role = toRoleText(wantedRole, "MEMBER");
    const member = await changeOrganization(context, organizationId, async (manager) => {
      const known = await findMember(manager, organizationId, { memberId });
      if (known === null) throw createMemberNotFoundError(memberId);
      if (known.role === role) return withItsTeams(manager, known);
      if (await isLastOwner(manager, known)) throw createLastOwnerError(memberId);
      const changed = await updateMember(manager, known, { role });
      return withItsTeams(manager, changed);
    });
    return { member: toOrganizationMember(member) };
  };
}
