import { rowsOf } from "@cellway/database";
import { OrganizationMemberReplicaSchema } from "@cellway/gen/cellway/directory/v1/replicas";
import { InviteStatus, MemberRole } from "@cellway/gen/cellway/organization/v1/types";
import { replicateTable } from "@cellway/outbox";
import type { MemberRoleText } from "../entities/organization.js";
import type { InviteStatusText } from "../entities/organization-member.js";

interface Row {
  readonly id: string;
  readonly user_id: string | null;
  readonly role: MemberRoleText;
  readonly invite_status: InviteStatusText;
  readonly version: string;
  readonly team_ids: string[];
  readonly is_confirmed: boolean;
}

/** Tells the directory who is in an organization, once that is confirmed. */
export const organizationMembers = replicateTable(
  OrganizationMemberReplicaSchema,
  { name: "organization_member", shardColumn: "organization_id", objectColumn: "id" },
  async (db, ids) => {
    const sql = `select m.id, m.user_id, m.role, m.invite_status, m.version, o.is_confirmed,
        array(select t.team_id from cell.team_member t where t.member_id = m.id order by t.team_id) as team_ids
      from cell.organization_member m join cell.organization o on o.id = m.organization_id where m.id = any($1::bigint[])`;
    const rows = rowsOf<Row>(await db.query(sql, [ids]));
    return new Map(rows.map((row) => [row.id, row.is_confirmed ? toReplica(row) : "withheld"]));
  },
);

function toReplica({ user_id: userId, role, invite_status: inviteStatus, version, team_ids: teamIds }: Row) {
  return {
    ...(userId === null ? {} : { userId }),
    role: MemberRole[role],
    inviteStatus: InviteStatus[inviteStatus],
    version,
    teamIds,
  };
}
