import { type EntityManager, MoreThan } from "typeorm";
import { OrganizationMemberRow } from "../entities/organization-member.js";
import { TeamRow } from "../entities/team.js";
import { TeamMemberRow } from "../entities/team-member.js";

/** A team with how many members it has, invited ones included. */
export interface CountedTeam {
  readonly team: TeamRow;
  readonly memberCount: number;
}

/** Which teams of an organization to list. */
export interface TeamFilter {
  readonly organizationId: string;
  readonly afterId: string;
  readonly limit: number;
  /** Only those of this member. */
  readonly memberId: string | undefined;
}

/** Adds a team. Fails with a unique violation of `team_slug_key`, or a foreign key violation without the organization. */
export async function insertTeam(manager: EntityManager, team: TeamRow): Promise<void> {
  await manager.insert(TeamRow, team);
}

/** Teams ordered by id, at most `limit + 1`, so that the caller learns whether there are more. */
export async function listTeams(manager: EntityManager, filter: TeamFilter): Promise<CountedTeam[]> {
  const { organizationId, afterId, limit, memberId } = filter;
  const count = manager
    .createQueryBuilder(TeamMemberRow, "m")
    .select("count(*)")
    .where("m.organization_id = team.organization_id and m.team_id = team.id");
  const query = manager
    .createQueryBuilder(TeamRow, "team")
    .addSelect(`(${count.getQuery()})`, "member_count")
    .where({ organizationId, id: MoreThan(afterId) })
    .orderBy("team.id", "ASC")
    .limit(limit + 1);
  if (memberId !== undefined) {
    const own = "m.organization_id = team.organization_id and m.member_id = :memberId";
    const ids = manager.createQueryBuilder(TeamMemberRow, "m").select("m.team_id").where(own);
    query.andWhere(`team.id in (${ids.getQuery()})`, { memberId });
  }
  const { entities, raw } = await query.getRawAndEntities<{ member_count: string }>();
  return entities.map((team, i) => ({ team, memberCount: Number(raw[i]?.member_count) }));
}

/** Puts a member into a team; needs the organization's lock. False when it was in it. */
export async function joinTeam(manager: EntityManager, row: TeamMemberRow): Promise<boolean> {
  const { organizationId, teamId, memberId } = row;
  if (await manager.existsBy(TeamMemberRow, { organizationId, teamId, memberId })) return false;
  await manager.insert(TeamMemberRow, row);
  return true;
}

/** Takes a member out of a team; false when it was not in it. */
export async function leaveTeam(manager: EntityManager, key: Omit<TeamMemberRow, "createdAt">): Promise<boolean> {
  const { organizationId, teamId, memberId } = key;
  const { affected } = await manager.delete(TeamMemberRow, { organizationId, teamId, memberId });
  return (affected ?? 0) > 0;
}

/** Puts a member into all teams of another one, of the same organization; needs its lock. */
export async function joinTeamsOf(
  manager: EntityManager,
  from: Pick<OrganizationMemberRow, "id" | "organizationId">,
  to: Pick<OrganizationMemberRow, "id">,
): Promise<void> {
  await manager.query(
    `insert into cell.team_member (organization_id, team_id, member_id, created_at)
     select organization_id, team_id, $3, created_at from cell.team_member where organization_id = $1 and member_id = $2
     on conflict (team_id, member_id) do nothing`,
    [from.organizationId, from.id, to.id],
  );
}
