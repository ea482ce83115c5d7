import { rowsOf } from "@cellway/database";
import { UserReplicaSchema } from "@cellway/gen/cellway/user/v1/replicas";
import { replicateTable } from "@cellway/outbox";

interface StoredUser {
  readonly id: string;
  readonly username: string;
  readonly displayName: string;
  readonly isActive: boolean;
  readonly avatarUrl: string;
}

/** Tells cells of their members. For a cell where a user is a member no more, the user is gone. */
export const userReplicas = replicateTable(
  UserReplicaSchema,
  { name: "user", shardColumn: "id", objectColumn: "id" },
  async (db, ids, cellName) => {
    const sql = `select u.id, u.username, u.display_name as "displayName", u.is_active as "isActive", u.avatar_url as "avatarUrl"
      from control.user u join control.user_cell c on c.user_id = u.id and c.cell_name = $2 where u.id = any($1::bigint[])`;
    const rows = rowsOf<StoredUser>(await db.query(sql, [ids, cellName]));
    return new Map(rows.map(({ id, ...user }) => [id, { ...user, displayName: user.displayName || user.username }]));
  },
);
