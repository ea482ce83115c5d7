import type { CascadeRule } from "@cellway/tombstones";
import { OrganizationMemberRow } from "./entities/organization-member.js";
import { removeMember } from "./store/organization-member.js";
import { listOrganizationsOf, lockMembershipsIn } from "./store/user-memberships.js";

/**
 * Members whose user is gone, last owners too: nobody could act for them any more. Most are removed before the user is
 * deleted (RemoveUser); this finds what was written since.
 */
export const removeDeadMembers: CascadeRule = {
  entity: OrganizationMemberRow,
  property: "userId",
  async remove(manager, userId, limit) {
    const found = await listOrganizationsOf(manager, { userId, cellNumber: undefined }, "0");
    const organizationIds = found.slice(0, limit);
    for (const { member } of await lockMembershipsIn(manager, userId, organizationIds))
      await removeMember(manager, member);
    return organizationIds.length;
  },
};
