import { type Queryable, rowsOf } from "@cellway/database";
import type { ReplicaTable } from "./upsert-replica.js";

/** Users that are members in a cell. */
export const USER_REPLICA: ReplicaTable = {
  name: "user_replica",
  objectColumn: "user_id",
  contentColumns: ["username", "display_name", "is_active", "avatar_url"],
};

/** A user as the cell knows it. */
export interface ReplicatedUserRow {
  readonly id: string;
  readonly username: string;
  readonly displayName: string;
  readonly isActive: boolean;
  readonly avatarUrl: string;
  readonly updatedAt: Date;
}

/** Those of these users that the cell knows, by ascending id. */
export async function findUsers(db: Queryable, cellName: string, ids: readonly string[]): Promise<ReplicatedUserRow[]> {
  const sql = `select user_id as id, username, display_name as "displayName", is_active as "isActive",
      avatar_url as "avatarUrl", updated_at as "updatedAt"
    from cell.user_replica where cell_name = $1 and user_id = any($2::bigint[]) and not is_removed order by user_id`;
  return rowsOf(await db.query(sql, [cellName, ids]));
}
