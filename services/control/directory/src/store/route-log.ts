import { type Queryable, rowsOf } from "@cellway/database";

/** One change of a route, as it is logged. Ids are epochs. */
export interface RouteChange {
  readonly id: string;
  /** `organization`, `slug_alias`, `project_key`, `cell`, or what a later version logs. */
  readonly kind: string;
  readonly organization_id: string | null;
  readonly slug: string | null;
  readonly public_key: string | null;
  readonly cell_name: string;
  /** Where it is now; null when it is gone. */
  readonly locality: string | null;
  /** Where it was before; null when it is new. */
  readonly old_locality: string | null;
  readonly rpc_address: string | null;
  readonly http_address: string | null;
  readonly ingest_address: string | null;
  readonly is_deleted: boolean;
}

export const ROUTE_CHANGE_TABLE = "control.route_change";
export const ROUTE_CHANGE_COLUMNS =
  "id, kind, organization_id, slug, public_key, cell_name, locality, old_locality, rpc_address, http_address, ingest_address, is_deleted";

/** The log as a whole. */
export interface RouteLog {
  readonly feed_id: string;
  /** Every change up to here was committed, or never will be. */
  readonly settled_id: string;
  /** Changes up to here may have been removed. */
  readonly pruned_id: string;
  /** The greatest id that was given out. */
  readonly last_id: string;
}

/** What readers must know of the log. */
export async function readRouteLog(db: Queryable): Promise<RouteLog> {
  const sql = `select l.feed_id, l.settled_id, l.pruned_id, s.last_value as last_id
    from control.route_log l, control.route_change_id s`;
  const [row] = rowsOf<RouteLog>(await db.query(sql));
  if (row === undefined) throw new Error("control.route_log has no row.");
  return row;
}

/** Up to `limit` changes after one and up to another, ordered. */
export async function listRouteChanges(
  db: Queryable,
  afterId: string,
  upToId: string,
  limit: number,
): Promise<RouteChange[]> {
  const sql = `select ${ROUTE_CHANGE_COLUMNS} from ${ROUTE_CHANGE_TABLE} where id > $1 and id <= $2 order by id limit $3`;
  return rowsOf(await db.query(sql, [afterId, upToId, limit]));
}

/** Says that the database was put back, unless somebody said it already: positions given out before mean nothing now. */
export async function renewFeedId(db: Queryable, feedId: string): Promise<void> {
  await db.query("update control.route_log set feed_id = gen_random_uuid() where feed_id = $1", [feedId]);
}

/** Writes down that every change up to here is settled, so that the next process begins here. Never goes back. */
export async function saveSettledId(db: Queryable, feedId: string, settledId: string): Promise<void> {
  await db.query("update control.route_log set settled_id = $2 where feed_id = $1 and settled_id < $2", [
    feedId,
    settledId,
  ]);
}

/**
 * Removes up to `limit` of the oldest changes, as far as they are settled, when they are older than `ageMaxS` seconds or
 * more than `countMax` newer ids were given out. @returns how many.
 */
export async function pruneRouteChanges(
  db: Queryable,
  { ageMaxS, countMax, limit }: { ageMaxS: number; countMax: number; limit: number },
): Promise<number> {
  const sql = `with oldest as materialized (
      select id, created_at from control.route_change order by id limit $3
    ), last as (
      select max(o.id) as id from oldest o, control.route_log l, control.route_change_id s
      where o.id <= l.settled_id
        and (o.created_at < now() - make_interval(secs => $1) or o.id <= s.last_value - $2::bigint)
    ), marked as (
      update control.route_log l set pruned_id = last.id from last where last.id > l.pruned_id
    ), deleted as (
      delete from control.route_change c using last where c.id <= last.id returning 1
    ) select count(*)::int as count from deleted`;
  return rowsOf<{ count: number }>(await db.query(sql, [ageMaxS, countMax, limit]))[0]?.count ?? 0;
}
