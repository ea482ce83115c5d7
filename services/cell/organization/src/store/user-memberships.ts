import { rowsOf } from "@cellway/database";
import { CELL_NUMBER_MAX } from "@cellway/silo";
import { type EntityManager, In } from "typeorm";
import { OrganizationRow } from "../entities/organization.js";
import { OrganizationMemberRow } from "../entities/organization-member.js";

/** Organizations of a user that are read, or locked, at a time. */
export const MEMBERSHIP_BATCH_MAX = 200;

/** A user, in the organizations of one cell. */
export interface UserInCell {
  readonly userId: string;
  /** Where several cells share the database: the one that is meant. */
  readonly cellNumber: number | undefined;
}

/** What a user is in an organization. */
export interface Membership {
  readonly organization: OrganizationRow;
  readonly member: OrganizationMemberRow;
}

/**
 * Ids of the organizations that a user is a member of, ascending, at most {@link MEMBERSHIP_BATCH_MAX}; fewer only at
 * the end.
 *
 * @param afterId - only greater ids; `0` for the first.
 */
export async function listOrganizationsOf(
  manager: EntityManager,
  user: UserInCell,
  afterId: string,
): Promise<string[]> {
  const result = await manager.query(
    `select organization_id from cell.organization_member
     where user_id = $1 and organization_id > $2 and ($3::bigint is null or organization_id & $4 = $3)
     order by organization_id limit $5`,
    [user.userId, afterId, user.cellNumber ?? null, CELL_NUMBER_MAX, MEMBERSHIP_BATCH_MAX],
  );
  return rowsOf<{ organization_id: string }>(result).map((row) => row.organization_id);
}

/**
 * Everything that a user is in a cell, ordered by organization, each of which is locked until the transaction ends. They
 * are locked in that order, so that two that do this wait for each other and never in a circle.
 */
export async function lockMemberships(manager: EntityManager, user: UserInCell): Promise<Membership[]> {
  const memberships: Membership[] = [];
  let organizationIds: string[];
  let afterId = "0";
  do {
    organizationIds = await listOrganizationsOf(manager, user, afterId);
    memberships.push(...(await lockMembershipsIn(manager, user.userId, organizationIds)));
    afterId = organizationIds.at(-1) ?? afterId;
  } while (organizationIds.length === MEMBERSHIP_BATCH_MAX);
  return memberships;
}

/** The membership of a user in each of these organizations, which are locked until the transaction ends. */
export async function lockMembershipsIn(
  manager: EntityManager,
  userId: string,
  organizationIds: readonly string[],
): Promise<Membership[]> {
  if (organizationIds.length === 0) return [];
  const organizations = await manager.find(OrganizationRow, {
    where: { id: In([...organizationIds]) },
    order: { id: "ASC" },
    lock: { mode: "pessimistic_write" },
  });
  // Read after the locks: what somebody changed meanwhile is seen.
  const members = await manager.findBy(OrganizationMemberRow, { userId, organizationId: In([...organizationIds]) });
  const memberOf = new Map(members.map((member) => [member.organizationId, member]));
  return organizations.flatMap((organization) => {
    const member = memberOf.get(organization.id);
    return member === undefined ? [] : [{ organization, member }];
  });
}
