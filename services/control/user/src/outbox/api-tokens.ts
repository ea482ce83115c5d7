import { rowsOf } from "@cellway/database";
import { ApiTokenReplicaSchema } from "@cellway/gen/cellway/user/v1/replicas";
import { replicateTable } from "@cellway/outbox";
import { optionalTimestamp } from "../api-token-message.js";

interface StoredToken {
  readonly id: string;
  readonly userId: string;
  readonly tokenHash: Buffer;
  readonly scopes: string[];
  readonly expiresAt: Date | null;
}

/** Tells cells of the tokens of their members, so that they can accept them while control is away. */
export const apiTokenReplicas = replicateTable(
  ApiTokenReplicaSchema,
  { name: "api_token", shardColumn: "user_id", objectColumn: "id" },
  async (db, ids, cellName) => {
    const sql = `select t.id, t.user_id as "userId", t.token_hash as "tokenHash", t.scopes, t.expires_at as "expiresAt"
      from control.api_token t join control.user_cell c on c.user_id = t.user_id and c.cell_name = $2 where t.id = any($1::bigint[])`;
    const rows = rowsOf<StoredToken>(await db.query(sql, [ids, cellName]));
    return new Map(
      rows.map(({ id, expiresAt, ...token }) => [id, { ...token, ...optionalTimestamp("expiresAt", expiresAt) }]),
    );
  },
);
