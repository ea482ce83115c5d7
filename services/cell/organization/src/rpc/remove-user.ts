import type { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import { ConnectError, type MethodImpl } from "@connectrpc/connect";
import type { EntityManager } from "typeorm";
import { sharedCellNumber } from "../ids.js";
import { isLastOwner, removeMember } from "../store/organization-member.js";
import { lockMemberships, type Membership } from "../store/user-memberships.js";
import { tellDirectory } from "../tell-directory.js";

/** The most organizations that an answer names as blocked. */
const BLOCKED_MAX = 200;

interface Removal {
  readonly removedFrom: readonly string[];
  readonly blockedBy: readonly string[];
}

/** RemoveUser. One transaction, since a user who may not be removed from one organization stays in all. */
export function removeUser(context: ServiceContext): MethodImpl<typeof OrganizationService.method.removeUser> {
  return async ({ cellName, userId, force }, { signal }) => {
    const cellNumber = sharedCellNumber(context, cellName);
    const { removedFrom, blockedBy } = await context.database.transaction(async (manager): Promise<Removal> => {
      const memberships = await lockMemberships(manager, { userId, cellNumber });
      const blockedBy = force ? [] : await findBlocked(manager, memberships);
      if (blockedBy.length > 0) return { removedFrom: [], blockedBy };
      for (const { member } of memberships) {
        if (signal.aborted) throw ConnectError.from(signal.reason);
        await removeMember(manager, member);
      }
      return { removedFrom: memberships.map(({ organization }) => organization.id), blockedBy };
    });
    await Promise.all(removedFrom.map((id) => tellDirectory(context, id)));
    return { removedMemberCount: removedFrom.length, blockedOrganizationIds: [...blockedBy] };
  };
}

/** The first organizations that would have no owner. */
async function findBlocked(manager: EntityManager, memberships: readonly Membership[]): Promise<string[]> {
  const blocked: string[] = [];
  for (const { organization, member } of memberships) {
    if (blocked.length < BLOCKED_MAX && (await isLastOwner(manager, member))) blocked.push(organization.id);
  }
  return blocked;
}
