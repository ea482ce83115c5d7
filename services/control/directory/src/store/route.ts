import { type Queryable, rowsOf } from "@cellway/database";

/** The route of an organization. */
export interface RouteRow {
  readonly organization_id: string;
  readonly slug: string;
  readonly cell_name: string;
  readonly route_epoch: string;
}

/** Where a cell is. */
export interface CellRouteRow {
  readonly name: string;
  readonly locality: string;
  readonly rpc_address: string;
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

/** Where all cells are, ordered by name. */
export async function listCellRoutes(db: Queryable): Promise<CellRouteRow[]> {
  return rowsOf(await db.query("select name, locality, rpc_address, route_epoch from control.cell order by name"));
}
