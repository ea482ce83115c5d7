import { AuditEvent } from "@cellway/gen/cellway/audit/v1/records";
import { type EntityManager, In, IsNull, MoreThan, Not } from "typeorm";
import { type AuditEntry, recordAudit } from "../audit.js";
import type { MemberRoleText } from "../entities/organization.js";
import { OrganizationMemberRow } from "../entities/organization-member.js";
import { TeamRow } from "../entities/team.js";
import { TeamMemberRow } from "../entities/team-member.js";

/** A member with the ids of its teams, ordered. */
export interface MemberWithTeams {
  readonly member: OrganizationMemberRow;
  readonly teamIds: readonly string[];
}

/** How a member is named. */
export type MemberKey = { readonly memberId: string } | { readonly userId: string } | { readonly email: string };

/** Which members of an organization to list. */
export interface MemberFilter {
  readonly organizationId: string;
  readonly afterId: string;
  readonly limit: number;
  readonly role?: MemberRoleText;
  readonly teamId?: string;
}

/** A member of an organization, or null. An email is found in whatever case. */
export function findMember(
  manager: EntityManager,
  organizationId: string,
  key: MemberKey,
): Promise<OrganizationMemberRow | null> {
  if ("memberId" in key) return manager.findOneBy(OrganizationMemberRow, { organizationId, id: key.memberId });
  if ("userId" in key) return manager.findOneBy(OrganizationMemberRow, { organizationId, userId: key.userId });
  return manager.findOneBy(OrganizationMemberRow, { organizationId, email: normalizeEmail(key.email) });
}

/** The form in which an email is stored and compared. Addresses in contracts are ASCII. */
export function normalizeEmail(email: string): string {
  return email.toLowerCase();
}

/** Members ordered by id, at most `limit + 1`, so that the caller learns whether there are more. */
export async function listMembers(manager: EntityManager, filter: MemberFilter): Promise<OrganizationMemberRow[]> {
  const query = manager
    .createQueryBuilder(OrganizationMemberRow, "member")
    .where({
      organizationId: filter.organizationId,
      id: MoreThan(filter.afterId),
      ...(filter.role === undefined ? {} : { role: filter.role }),
    })
    .orderBy("member.id", "ASC")
    .limit(filter.limit + 1);
  if (filter.teamId !== undefined) {
    const inTeam = manager.createQueryBuilder(TeamMemberRow, "t").select("t.member_id").where("t.team_id = :teamId");
    query.andWhere(`member.id in (${inTeam.getQuery()})`, { teamId: filter.teamId });
  }
  return query.getMany();
}

/** The members with their teams, in the same order. */
export async function withTeams(
  manager: EntityManager,
  members: readonly OrganizationMemberRow[],
): Promise<MemberWithTeams[]> {
  const teams = new Map<string, string[]>(members.map((member) => [member.id, []]));
  const [first] = members;
  if (first !== undefined) {
    const rows = await manager.find(TeamMemberRow, {
      where: { organizationId: first.organizationId, memberId: In([...teams.keys()]) },
      order: { teamId: "ASC" },
    });
    for (const row of rows) teams.get(row.memberId)?.push(row.teamId);
  }
  return members.map((member) => ({ member, teamIds: teams.get(member.id) ?? [] }));
}

/** One member with its teams. */
export async function withItsTeams(manager: EntityManager, member: OrganizationMemberRow): Promise<MemberWithTeams> {
  const [found] = await withTeams(manager, [member]);
  return found ?? { member, teamIds: [] };
}

/**
 * Whether no owner would be left without this member; needs the organization's lock. Invitations do not count: neither
 * as owners that are left, nor as ones that would be missed.
 */
export async function isLastOwner(manager: EntityManager, member: OrganizationMemberRow): Promise<boolean> {
  if (member.role !== "OWNER" || member.userId === null) return false;
  const { organizationId } = member;
  return !(await manager.existsBy(OrganizationMemberRow, {
    organizationId,
    role: "OWNER",
    userId: Not(IsNull()),
    id: Not(member.id),
  }));
}

/** The first of these teams that is not the organization's; undefined when all are. */
export async function findForeignTeam(
  manager: EntityManager,
  organizationId: string,
  teamIds: readonly string[],
): Promise<string | undefined> {
  if (teamIds.length === 0) return undefined;
  const found = await manager.find(TeamRow, { select: { id: true }, where: { organizationId, id: In([...teamIds]) } });
  const known = new Set(found.map((team) => team.id));
  return teamIds.find((id) => !known.has(id));
}

/** Puts a member into teams of its organization; those that it is in already stay as they are. */
export async function joinTeams(
  manager: EntityManager,
  member: OrganizationMemberRow,
  teamIds: readonly string[],
  now: Date,
): Promise<void> {
  if (teamIds.length === 0) return;
  const rows = teamIds.map((teamId) => ({
    organizationId: member.organizationId,
    teamId,
    memberId: member.id,
    createdAt: now,
  }));
  await manager.createQueryBuilder().insert().into(TeamMemberRow).values(rows).orIgnore().execute();
}

/** Changes a member, in its table and in `member`, and gives it its next version; needs the organization's lock. */
export async function updateMember(
  manager: EntityManager,
  member: OrganizationMemberRow,
  change: Partial<Pick<OrganizationMemberRow, "role" | "userId" | "inviteStatus" | "email">>,
): Promise<OrganizationMemberRow> {
  const version = nextVersion(member.version);
  await manager.update(OrganizationMemberRow, { id: member.id }, { ...change, version });
  await recordAudit(manager, toChangeEntry(member, change));
  return manager.merge<OrganizationMemberRow>(OrganizationMemberRow, member, change, { version });
}

/** Removes a member from the organization and its teams; needs the organization's lock. */
export async function removeMember(manager: EntityManager, member: OrganizationMemberRow): Promise<void> {
  await manager.delete(OrganizationMemberRow, { id: member.id });
  const { organizationId, id, role, userId } = member;
  await recordAudit(manager, {
    organizationId,
    event: AuditEvent.MEMBER_REMOVED,
    targetId: id,
    details: { role, user_id: userId },
  });
}

function toChangeEntry(
  { organizationId, id, role, userId }: OrganizationMemberRow,
  change: Partial<OrganizationMemberRow>,
): AuditEntry {
  const entry = { organizationId, targetId: id };
  if (change.inviteStatus === "ACCEPTED") {
    return { ...entry, event: AuditEvent.MEMBER_JOINED, details: { user_id: change.userId } };
  }
  const isMoved = change.userId !== undefined;
  const hasRole = change.role !== undefined;
  return {
    ...entry,
    event: AuditEvent.MEMBER_CHANGED,
    details: {
      ...(hasRole ? { role: change.role, previous_role: role } : {}),
      ...(isMoved ? { user_id: change.userId, previous_user_id: userId } : {}),
    },
  };
}

/** The version after this one. */
export function nextVersion(version: string): string {
  return (BigInt(version) + 1n).toString();
}
