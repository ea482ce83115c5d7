import type { Queryable } from "@cellway/database";

/** Which member of which organization, as of which message of the cell's outbox. */
export interface MemberReplicaKey {
  readonly organizationId: string;
  readonly memberId: string;
  readonly replicaVersion: string;
}

/** What a cell's outbox says of a member. */
export interface MemberReplica extends MemberReplicaKey {
  readonly userId: string | null;
  readonly role: string;
  readonly inviteStatus: string;
  readonly version: string;
  readonly teamIds: readonly string[];
}

/** Takes over a newer state. A member that was removed stays removed. */
export async function replicateMemberMapping(db: Queryable, member: MemberReplica): Promise<void> {
  const { organizationId, memberId, userId, role, inviteStatus, version, teamIds, replicaVersion } = member;
  await db.query(
    `insert into control.organization_member_mapping as current
        (organization_id, member_id, user_id, role, invite_status, version, team_ids, replica_version)
      values ($1, $2, $3, $4, $5, $6, $7, $8)
      on conflict (organization_id, member_id) do update set user_id = excluded.user_id, role = excluded.role,
        invite_status = excluded.invite_status, version = greatest(current.version, excluded.version),
        team_ids = excluded.team_ids,
        replica_version = excluded.replica_version, updated_at = now()
      where current.replica_version < excluded.replica_version and not current.is_removed`,
    [organizationId, memberId, userId, role, inviteStatus, version, teamIds, replicaVersion],
  );
}

/** Remembers that a member is gone, as long as its organization is mapped. */
export async function removeMemberMapping(db: Queryable, member: MemberReplicaKey): Promise<void> {
  const { organizationId, memberId, replicaVersion } = member;
  await db.query(
    `insert into control.organization_member_mapping as current
        (organization_id, member_id, role, invite_status, version, replica_version, is_removed)
      select organization_id, $2, 'UNSPECIFIED', 'UNSPECIFIED', 0, $3, true
      from control.organization_mapping where organization_id = $1
      on conflict (organization_id, member_id) do update set is_removed = true,
        replica_version = greatest(current.replica_version, excluded.replica_version), updated_at = now()
      where not current.is_removed`,
    [organizationId, memberId, replicaVersion],
  );
}
