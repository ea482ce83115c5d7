import { type Queryable, rowsOf } from "@cellway/database";
import { OutboxScope } from "@cellway/gen/cellway/contract/v1/options";
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
  readonly is_confirmed: boolean;
}

/** Tells the directory who is in an organization, once that is confirmed. */
export const organizationMembers = replicateTable(
  OrganizationMemberReplicaSchema,
  { name: "organization_member", shardColumn: "organization_id", objectColumn: "id" },
  async (db, ids) => {
    const sql = `select m.id, m.user_id, m.role, m.invite_status, m.version, o.is_confirmed
      from cell.organization_member m join cell.organization o on o.id = m.organization_id where m.id = any($1::bigint[])`;
    const rows = rowsOf<Row>(await db.query(sql, [ids]));
    return new Map(rows.map((row) => [row.id, row.is_confirmed ? toReplica(row) : "withheld"]));
  },
);

function toReplica({ user_id: userId, role, invite_status: inviteStatus, version }: Row) {
  return {
    ...(userId === null ? {} : { userId }),
    role: MemberRole[role],
    inviteStatus: InviteStatus[inviteStatus],
    version,
  };
}

/**
 * Tells of every member of an organization that is being confirmed, and of its first owner also when gone: the directory
 * was given that one when the organization was created. Needs the organization's lock.
 */
export async function tellAllMembers(db: Queryable, organizationId: string): Promise<void> {
  await db.query(
    `select cell.outbox_write(array['control'], $2, $1, $3, id) from (
      select id from cell.organization_member where organization_id = $1
      union select initial_owner_member_id from cell.organization where id = $1 order by id) member`,
    [organizationId, OutboxScope.ORGANIZATION, organizationMembers.category.number],
  );
}
