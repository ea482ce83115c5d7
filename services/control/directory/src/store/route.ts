import { type Queryable, rowsOf } from "@cellway/database";

/** The route of an organization. */
export interface RouteRow {
  readonly organization_id: string;
  readonly slug: string;
  readonly cell_name: string;
  readonly route_epoch: string;
}

/** Something that leads to an organization, which may have no mapping any more. */
export interface KeyRouteRow {
  /** Orders the rows of its kind. */
  readonly row_key: string;
  readonly kind: KeyKind;
  /** The slug, or the public key. */
  readonly value: string;
  readonly organization_id: string;
  readonly route_epoch: string;
}

/** What leads to an organization besides its own id and slug, as the log calls it. */
export type KeyKind = "slug_alias" | "project_key";

/** Where a cell is. */
export interface CellRouteRow {
  readonly name: string;
  readonly locality: string;
  readonly rpc_address: string;
  /** Null while nobody has said it. */
  readonly http_address: string | null;
  readonly ingest_address: string | null;
  readonly route_epoch: string;
}

/** Up to `limit` routes of organizations with an id after `afterId`, ordered by id; of some localities, or of all. */
export async function listRoutes(
  db: Queryable,
  { localities, afterId, limit }: { localities: readonly string[]; afterId: string; limit: number },
): Promise<RouteRow[]> {
  const inLocalities = "and cell_name in (select name from control.cell where locality = any($3::text[]))";
  const sql = `select organization_id, slug, cell_name, route_epoch from control.organization_mapping
    where organization_id > $1 ${localities.length === 0 ? "" : inLocalities} order by organization_id limit $2`;
  return rowsOf(await db.query(sql, [afterId, limit, ...(localities.length === 0 ? [] : [localities])]));
}

const KEY_TABLES: Readonly<Record<KeyKind, { table: string; rowKey: string; type: string; value: string }>> = {
  slug_alias: { table: "organization_slug_reservation", rowKey: "slug", type: "text", value: "slug" },
  project_key: { table: "project_key_mapping", rowKey: "project_key_id", type: "bigint", value: "public_key" },
};

/** Less than the key of every row. */
export const FIRST_ROW_KEYS: Readonly<Record<KeyKind, string>> = { slug_alias: "", project_key: "0" };

/** Up to `limit` routes of this kind after a row, ordered by {@link KeyRouteRow.row_key}; of some localities, or of all. */
export async function listKeyRoutes(
  db: Queryable,
  kind: KeyKind,
  { localities, afterKey, limit }: { localities: readonly string[]; afterKey: string; limit: number },
): Promise<KeyRouteRow[]> {
  const { table, rowKey, type, value } = KEY_TABLES[kind];
  const inLocalities = `and exists (select from control.organization_mapping m join control.cell c on c.name = m.cell_name
    where m.organization_id = k.organization_id and c.locality = any($3::text[]))`;
  const sql = `select k.${rowKey}::text as row_key, '${kind}' as kind, k.${value} as value, k.organization_id, k.route_epoch
    from control.${table} k where k.${rowKey} > $1::${type} and k.route_epoch is not null
    ${localities.length === 0 ? "" : inLocalities} order by k.${rowKey} limit $2`;
  return rowsOf(await db.query(sql, [afterKey, limit, ...(localities.length === 0 ? [] : [localities])]));
}

/** Where all cells are, ordered by name. */
export async function listCellRoutes(db: Queryable): Promise<CellRouteRow[]> {
  const sql =
    "select name, locality, rpc_address, http_address, ingest_address, route_epoch from control.cell order by name";
  return rowsOf(await db.query(sql));
}
