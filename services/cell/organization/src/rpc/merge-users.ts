import type { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { MemberRole } from "@cellway/gen/cellway/organization/v1/types";
import type { ServiceContext } from "@cellway/host";
import { ConnectError, type MethodImpl } from "@connectrpc/connect";
import type { EntityManager } from "typeorm";
import type { OrganizationMemberRow } from "../entities/organization-member.js";
import { sharedCellNumber } from "../ids.js";
import { lockOrganization } from "../store/organization.js";
import { findMember, removeMember, updateMember } from "../store/organization-member.js";
import { joinTeamsOf } from "../store/team.js";
import { listOrganizationsOf, MEMBERSHIP_BATCH_MAX } from "../store/user-memberships.js";
import { tellDirectory } from "../tell-directory.js";

interface Merge {
  readonly fromUserId: string;
  readonly toUserId: string;
}

/**
 * MergeUsers. One transaction for each organization, in the order of their ids: a call that is cut short has done some
 * of them, and its repetition does the others.
 */
export function mergeUsers(context: ServiceContext): MethodImpl<typeof OrganizationService.method.mergeUsers> {
  return async ({ cellName, fromUserId, toUserId }, { signal }) => {
    const user = { userId: fromUserId, cellNumber: sharedCellNumber(context, cellName) };
    const movedIn: string[] = [];
    const mergedIn: string[] = [];
    let organizationIds: string[];
    let afterId = "0";
    do {
      organizationIds = await listOrganizationsOf(context.database.manager, user, afterId);
      for (const organizationId of organizationIds) {
        if (signal.aborted) throw ConnectError.from(signal.reason);
        const outcome = await mergeInOrganization(context, organizationId, { fromUserId, toUserId });
        if (outcome === "moved") movedIn.push(organizationId);
        if (outcome === "merged") mergedIn.push(organizationId);
      }
      afterId = organizationIds.at(-1) ?? afterId;
    } while (organizationIds.length === MEMBERSHIP_BATCH_MAX);
    await Promise.all([...movedIn, ...mergedIn].map((id) => tellDirectory(context, id)));
    return { movedMemberCount: movedIn.length, mergedMemberCount: mergedIn.length };
  };
}

/** Undefined when there was nothing to do: the membership or the organization has gone meanwhile. */
function mergeInOrganization(
  context: ServiceContext,
  organizationId: string,
  merge: Merge,
): Promise<"moved" | "merged" | undefined> {
  return context.database.transaction(async (manager) => {
    const organization = await lockOrganization(manager, organizationId);
    if (organization === null) return undefined;
    const from = await findMember(manager, organizationId, { userId: merge.fromUserId });
    if (from === null) return undefined;
    const to = await findMember(manager, organizationId, { userId: merge.toUserId });
    if (to !== null) {
      await joinMembers(manager, from, to);
      return "merged";
    }
    await updateMember(manager, from, { userId: merge.toUserId });
    return "moved";
  });
}

/** Leaves one of two members, with the greater role and the teams of both. */
async function joinMembers(
  manager: EntityManager,
  from: OrganizationMemberRow,
  to: OrganizationMemberRow,
): Promise<void> {
  if (MemberRole[from.role] > MemberRole[to.role]) await updateMember(manager, to, { role: from.role });
  await joinTeamsOf(manager, from, to);
  await removeMember(manager, from);
}
