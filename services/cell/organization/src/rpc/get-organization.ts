import type { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { toOrganization, toOrganizationMember } from "../convert.js";
import { findOrganization } from "../store/organization.js";
import { findMember, withItsTeams } from "../store/organization-member.js";

/** GetOrganization. */
export function getOrganization(
  context: ServiceContext,
): MethodImpl<typeof OrganizationService.method.getOrganization> {
  return async ({ organizationId, userId }) => {
    const { manager } = context.database;
    const row = await findOrganization(manager, organizationId);
    if (row === null) return {};
    const member = userId === undefined ? null : await findMember(manager, organizationId, { userId });
    if (member === null) return { organization: toOrganization(row) };
    return { organization: toOrganization(row), membership: toOrganizationMember(await withItsTeams(manager, member)) };
  };
}
