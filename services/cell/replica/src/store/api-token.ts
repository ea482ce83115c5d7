import { type Queryable, rowsOf } from "@cellway/database";
import type { ReplicaTable } from "./upsert-replica.js";

/** Tokens of users that are members in a cell. */
export const API_TOKEN_REPLICA: ReplicaTable = {
  name: "api_token_replica",
  objectColumn: "token_id",
  contentColumns: ["user_id", "token_hash", "scopes", "expires_at"],
};

/** What is read of a token that is accepted. */
export interface AcceptedToken {
  readonly id: string;
  readonly userId: string;
  readonly scopes: string[];
  readonly expiresAt: Date | null;
}

/** The token with the hash, if the cell knows it and its user, unless it has expired at `now` or the user is inactive. */
export async function findAcceptedToken(
  db: Queryable,
  cellName: string,
  tokenHash: Uint8Array,
  now: Date,
): Promise<AcceptedToken | undefined> {
  const sql = `select t.token_id as id, t.user_id as "userId", t.scopes, t.expires_at as "expiresAt"
    from cell.api_token_replica t join cell.user_replica u on u.cell_name = t.cell_name and u.user_id = t.user_id
    where t.token_hash = $2 and t.cell_name = $1 and u.is_active and (t.expires_at is null or t.expires_at > $3)`;
  return rowsOf<AcceptedToken>(await db.query(sql, [cellName, tokenHash, now]))[0];
}
