import { type Queryable, rowsOf } from "@cellway/database";

/** What a cell's outbox says of a team; `team` is undefined when it is gone. */
export interface TeamReplicaState {
  readonly teamId: string;
  readonly organizationId: string;
  readonly replicaVersion: string;
  readonly team: { readonly slug: string; readonly name: string } | undefined;
}

/** Takes over a newer state; an older one changes nothing. A removal is remembered as long as the organization is mapped. */
export async function replicateTeamMapping(db: Queryable, state: TeamReplicaState): Promise<void> {
  const { teamId, organizationId, replicaVersion, team } = state;
  await db.query(
    `insert into control.team_mapping as current (team_id, organization_id, slug, name, replica_version, is_removed)
      select $1, organization_id, $3, $4, $5, $3::text is null from control.organization_mapping where organization_id = $2
      on conflict (team_id) do update set slug = excluded.slug, name = excluded.name,
        replica_version = excluded.replica_version, is_removed = excluded.is_removed
      where current.replica_version < excluded.replica_version and current.organization_id = excluded.organization_id`,
    [teamId, organizationId, team?.slug ?? null, team?.name ?? null, replicaVersion],
  );
}

/** A team of a user. */
export interface UserTeamRecord {
  readonly team_id: string;
  readonly organization_id: string;
  readonly cell_name: string;
  readonly slug: string;
  readonly name: string;
}

/** Up to `limit` teams of a user with an id after `afterId`, ordered by id. */
export async function listTeamsOfUser(
  db: Queryable,
  userId: string,
  afterId: string,
  limit: number,
): Promise<UserTeamRecord[]> {
  const sql = `select t.team_id, t.organization_id, m.cell_name, t.slug, t.name
    from control.organization_member_mapping o
      cross join unnest(o.team_ids) as own (team_id)
      join control.team_mapping t on t.team_id = own.team_id and t.organization_id = o.organization_id and not t.is_removed
      join control.organization_mapping m on m.organization_id = o.organization_id
    where o.user_id = $1 and not o.is_removed and own.team_id > $2 order by t.team_id limit $3`;
  return rowsOf(await db.query(sql, [userId, afterId, limit]));
}
