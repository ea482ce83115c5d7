import { type Queryable, rowsOf } from "@cellway/database";

/** Which of the two edge feeds. */
export type EdgeFeedKind = "organization" | "project_key";

/** A name (slug or public key) or an id, and where it leads now. */
export interface EdgeMappingRow {
  /** Orders the rows of a page, and says where the next begins. */
  readonly row_key: string;
  /** Of the organization, or of the project key; null when the name leads nowhere. */
  readonly id: string | null;
  /** The slug or the public key; null for the id of an organization that is gone. */
  readonly name: string | null;
  /** Null when it leads nowhere. */
  readonly cell_name: string | null;
  readonly locality: string | null;
}

/** What a scan reads, in this order, for each feed. */
export const EDGE_TABLES = {
  organization: ["mapping", "alias"],
  project_key: ["key"],
} as const satisfies Readonly<Record<EdgeFeedKind, readonly string[]>>;

export type EdgeTable = (typeof EDGE_TABLES)[EdgeFeedKind][number];

const SCANS: Readonly<Record<EdgeTable, { first: string; sql: string }>> = {
  mapping: {
    first: "0",
    sql: `select m.organization_id::text as row_key, m.organization_id as id, m.slug as name, m.cell_name, c.locality
      from control.organization_mapping m join control.cell c on c.name = m.cell_name
      where m.organization_id > $1::bigint and ($2::text[] is null or c.locality = any($2))
      order by m.organization_id limit $3`,
  },
  alias: {
    first: "",
    sql: `select r.slug as row_key, r.organization_id as id, r.slug as name, m.cell_name, c.locality
      from control.organization_slug_reservation r
        join control.organization_mapping m using (organization_id) join control.cell c on c.name = m.cell_name
      where r.slug > $1 and r.route_epoch is not null and ($2::text[] is null or c.locality = any($2))
      order by r.slug limit $3`,
  },
  // Removed keys too, where all localities are read: who has them must hear that they lead nowhere.
  key: {
    first: "0",
    sql: `select k.project_key_id::text as row_key, l.project_key_id as id, k.public_key as name, m.cell_name, c.locality
      from control.project_key_mapping k
        left join control.project_key_mapping l
          on l.public_key = k.public_key and not l.is_removed and l.route_epoch is not null
        left join control.organization_mapping m on m.organization_id = l.organization_id
        left join control.cell c on c.name = m.cell_name
      where k.project_key_id > $1::bigint and k.public_key is not null
        and ($2::text[] is null or (k.route_epoch is not null and c.locality = any($2)))
      order by k.project_key_id limit $3`,
  },
};

/** Up to `limit` rows of a table after one (null: from the first), as they are now; of some localities, or of all (null). */
export async function scanEdgeMappings(
  db: Queryable,
  table: EdgeTable,
  { after, localities, limit }: { after: string | null; localities: readonly string[] | null; limit: number },
): Promise<EdgeMappingRow[]> {
  const { first, sql } = SCANS[table];
  return rowsOf(await db.query(sql, [after ?? first, localities, limit]));
}

/** Changes that a page is about: after one, up to another. */
export interface EdgeRange {
  readonly afterId: string;
  readonly upToId: string;
}

const TOUCHED = `touched as materialized (
    select kind, organization_id, slug, public_key from control.route_change
    where id > $1 and id <= $2 and kind = any($3)
      and ($4::text[] is null or locality = any($4) or old_locality = any($4))
  ), ids as (
    select distinct organization_id from touched where kind = 'organization'
  )`;

// A move within a locality is logged for the organization alone, and moves what leads to it.
const CHANGED_ORGANIZATIONS = `with ${TOUCHED}, names as (
    select slug from touched where slug is not null
    union
    select r.slug from ids join control.organization_slug_reservation r using (organization_id)
      where r.route_epoch is not null
  ), found as (
    select 'i' || i.organization_id as row_key, i.organization_id as id, m.slug as name, m.cell_name
      from ids i left join control.organization_mapping m using (organization_id)
    union all
    select 's' || n.slug, h.organization_id, n.slug, h.cell_name
      from names n left join lateral (
        select m.organization_id, m.cell_name from control.organization_mapping m where m.slug = n.slug
        union all
        select m.organization_id, m.cell_name from control.organization_slug_reservation r
          join control.organization_mapping m using (organization_id)
          where r.slug = n.slug and r.route_epoch is not null and m.slug <> r.slug
      ) h on true
      where not exists (select from ids join control.organization_mapping m using (organization_id) where m.slug = n.slug)
  )`;

const CHANGED_KEYS = `with ${TOUCHED}, names as (
    select public_key from touched where public_key is not null
    union
    select k.public_key from ids join control.project_key_mapping k using (organization_id) where k.route_epoch is not null
  ), found as (
    select n.public_key as row_key, k.project_key_id as id, n.public_key as name, m.cell_name
      from names n
        left join control.project_key_mapping k
          on k.public_key = n.public_key and not k.is_removed and k.route_epoch is not null
        left join control.organization_mapping m on m.organization_id = k.organization_id
  )`;

const CHANGED: Readonly<Record<EdgeFeedKind, { kinds: readonly string[]; sql: string }>> = {
  organization: { kinds: ["organization", "slug_alias"], sql: CHANGED_ORGANIZATIONS },
  project_key: { kinds: ["organization", "project_key"], sql: CHANGED_KEYS },
};

/**
 * Up to `limit` of what changes are about, after a row, each as it is **now**: told twice it says the same, and what is
 * told later is never older. Only changes that some localities have a part in, or all (null).
 */
export async function listChangedEdgeMappings(
  db: Queryable,
  kind: EdgeFeedKind,
  range: EdgeRange,
  page: { after: string; localities: readonly string[] | null; limit: number },
): Promise<EdgeMappingRow[]> {
  const { kinds, sql } = CHANGED[kind];
  const paged = `${sql} select f.row_key, f.id, f.name, f.cell_name, c.locality
    from found f left join control.cell c on c.name = f.cell_name
    where f.row_key collate "C" > $5 collate "C" order by f.row_key collate "C" limit $6`;
  const { afterId, upToId } = range;
  return rowsOf(await db.query(paged, [afterId, upToId, kinds, page.localities, page.after, page.limit]));
}

/** Of up to `limit` changes in a range: the last one's id (null: none), and whether a cell came into the localities or left. */
export async function measureEdgeRange(
  db: Queryable,
  { afterId, upToId }: EdgeRange,
  { localities, limit }: { localities: readonly string[] | null; limit: number },
): Promise<{ readonly last_id: string | null; readonly is_cell_moved: boolean }> {
  const sql = `select max(id) as last_id, coalesce(bool_or(kind = 'cell' and not is_deleted and old_locality is not null
      and (old_locality = any($3::text[])) <> (locality = any($3::text[]))), false) as is_cell_moved
    from (select * from control.route_change where id > $1 and id <= $2 order by id limit $4) c`;
  const [row] = rowsOf<{ last_id: string | null; is_cell_moved: boolean }>(
    await db.query(sql, [afterId, upToId, localities, limit]),
  );
  return row ?? { last_id: null, is_cell_moved: false };
}
