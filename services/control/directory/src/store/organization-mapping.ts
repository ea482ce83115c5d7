import { type Queryable, rowsOf } from "@cellway/database";
import type { StatusName } from "../entities/organization-mapping.js";

/** A mapping with the locality of its cell. */
export interface MappingRecord {
  readonly organization_id: string;
  readonly slug: string;
  readonly name: string;
  readonly status: StatusName;
  readonly cell_name: string;
  readonly locality: string;
  readonly route_epoch: string;
  readonly created_at: Date;
  readonly updated_at: Date;
}

/** A mapping with the role of one of its members. */
export interface UserMappingRecord extends MappingRecord {
  readonly member_id: string;
  readonly role: string;
  /** When the directory was last told something of the organization or of the membership. */
  readonly as_of: Date;
}

const SELECT_MAPPING = `
  select m.organization_id, m.slug, m.name, m.status, m.cell_name, c.locality, m.route_epoch, m.created_at, m.updated_at`;
const FROM_MAPPING = `
  from control.organization_mapping m join control.cell c on c.name = m.cell_name`;

/** The mappings of these organizations, ordered by id; absent ones are left out. */
export async function findMappings(db: Queryable, organizationIds: readonly string[]): Promise<MappingRecord[]> {
  const sql = `${SELECT_MAPPING}${FROM_MAPPING} where m.organization_id = any($1::bigint[]) order by m.organization_id`;
  return rowsOf(await db.query(sql, [organizationIds]));
}

/** The mapping of the organization that has the slug, be it as an alias. */
export async function findMappingBySlug(db: Queryable, slug: string): Promise<MappingRecord | undefined> {
  const sql = `${SELECT_MAPPING}${FROM_MAPPING}
    join control.organization_slug_reservation s on s.organization_id = m.organization_id where s.slug = $1`;
  return rowsOf<MappingRecord>(await db.query(sql, [slug]))[0];
}

/** The mapping of the organization whose project has the public key. */
export async function findMappingByProjectKey(db: Queryable, publicKey: string): Promise<MappingRecord | undefined> {
  const sql = `${SELECT_MAPPING}${FROM_MAPPING}
    join control.project_key_mapping k on k.organization_id = m.organization_id
    where k.public_key = $1 and not k.is_removed`;
  return rowsOf<MappingRecord>(await db.query(sql, [publicKey]))[0];
}

/** Up to `limit` mappings of a cell with an id after `afterId`, ordered by id. */
export async function listMappingsOfCell(
  db: Queryable,
  cell: string,
  afterId: string,
  limit: number,
): Promise<MappingRecord[]> {
  const sql = `${SELECT_MAPPING}${FROM_MAPPING} where m.cell_name = $1 and m.organization_id > $2 order by m.organization_id limit $3`;
  return rowsOf(await db.query(sql, [cell, afterId, limit]));
}

/** Up to `limit` mappings of the organizations of a user with an id after `afterId`, ordered by id. */
export async function listMappingsOfUser(
  db: Queryable,
  userId: string,
  afterId: string,
  limit: number,
): Promise<UserMappingRecord[]> {
  const sql = `${SELECT_MAPPING}, o.member_id, o.role, greatest(m.updated_at, o.updated_at) as as_of${FROM_MAPPING}
    join control.organization_member_mapping o on o.organization_id = m.organization_id
    where o.user_id = $1 and not o.is_removed and o.organization_id > $2 order by o.organization_id limit $3`;
  return rowsOf(await db.query(sql, [userId, afterId, limit]));
}

/** The names of the cells in which the user is a member, ordered. */
export async function findCellsOfUser(db: Queryable, userId: string): Promise<string[]> {
  const sql = `select distinct m.cell_name from control.organization_member_mapping o
    join control.organization_mapping m on m.organization_id = o.organization_id
    where o.user_id = $1 and not o.is_removed order by m.cell_name`;
  return rowsOf<{ cell_name: string }>(await db.query(sql, [userId])).map((row) => row.cell_name);
}

/** What a cell says of one of its organizations. */
export interface MappingState {
  readonly organizationId: string;
  readonly slug: string;
  readonly name: string;
  readonly status: StatusName;
  readonly createdAt: Date;
  readonly version: string;
}

/** Inserts the mapping of a new organization; one that is there already stays as it is. */
export async function insertMapping(db: Queryable, cell: string, state: MappingState): Promise<void> {
  await db.query(
    `insert into control.organization_mapping (organization_id, slug, name, status, cell_name, version, created_at)
      values ($1, $2, $3, $4, $5, $6, $7) on conflict (organization_id) do nothing`,
    [state.organizationId, state.slug, state.name, state.status, cell, state.version, state.createdAt],
  );
}

/** Takes over a newer state. The slug and the cell are the directory's own and are not touched. */
export async function updateMapping(db: Queryable, state: MappingState): Promise<void> {
  await db.query(
    `update control.organization_mapping set name = $2, status = $3, version = $4, updated_at = now()
      where organization_id = $1 and version < $4`,
    [state.organizationId, state.name, state.status, state.version],
  );
}

/** What a cell's outbox says of one of its organizations. */
export interface MappingReplica {
  readonly organizationId: string;
  readonly name: string;
  readonly status: StatusName;
  readonly version: string;
  readonly replicaVersion: string;
}

/** Takes over a newer state. The slug and the cell are the directory's own. False when the organization is not mapped. */
export async function replicateMapping(db: Queryable, replica: MappingReplica): Promise<boolean> {
  const { organizationId, name, status, version, replicaVersion } = replica;
  const sql = `with mapping as (select from control.organization_mapping where organization_id = $1),
    newer as (update control.organization_mapping
      set name = $2, status = $3, version = greatest(version, $4), replica_version = $5, updated_at = now()
      where organization_id = $1 and replica_version < $5)
    select exists (select from mapping) as mapped`;
  const [row] = rowsOf<{ mapped: boolean }>(
    await db.query(sql, [organizationId, name, status, version, replicaVersion]),
  );
  return row?.mapped === true;
}

/** What a cell says of one member. */
export interface MemberMappingState {
  readonly memberId: string;
  readonly userId: string | null;
  readonly role: string;
  readonly inviteStatus: string;
  readonly version: string;
  readonly isRemoved: boolean;
}

/** Takes over the newer ones of these states of members of one organization. */
export async function upsertMemberMappings(
  db: Queryable,
  organizationId: string,
  members: readonly MemberMappingState[],
): Promise<void> {
  await db.query(
    `insert into control.organization_member_mapping as current
        (organization_id, member_id, user_id, role, invite_status, version, is_removed)
      select $1, member_id, user_id, role, invite_status, version, is_removed
      from unnest($2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::boolean[])
        as new (member_id, user_id, role, invite_status, version, is_removed)
      on conflict (organization_id, member_id) do update set user_id = excluded.user_id, role = excluded.role,
        invite_status = excluded.invite_status, version = excluded.version, is_removed = excluded.is_removed,
        updated_at = now()
      where current.version < excluded.version and not current.is_removed`,
    [
      organizationId,
      members.map((member) => member.memberId),
      members.map((member) => member.userId),
      members.map((member) => member.role),
      members.map((member) => member.inviteStatus),
      members.map((member) => member.version),
      members.map((member) => member.isRemoved),
    ],
  );
}

/** Gives up an organization's mapping, members and slugs, and a rename that is under way. */
export async function deleteMapping(db: Queryable, organizationId: string): Promise<void> {
  await db.query("delete from control.organization_mapping where organization_id = $1", [organizationId]);
  await db.query("delete from control.organization_slug_reservation where organization_id = $1", [organizationId]);
  await db.query("delete from control.organization_rename where organization_id = $1", [organizationId]);
}
