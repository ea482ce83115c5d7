import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { rowsOf } from "@cellway/database";
import { SessionReplicaSchema } from "@cellway/gen/cellway/user/v1/replicas";
import { replicateTable } from "@cellway/outbox";

interface StoredSession {
  readonly id: string;
  readonly userId: string;
  readonly tokenHash: Buffer;
  readonly expiresAt: Date;
  readonly idleExpiresAt: Date;
  readonly idleTimeoutSeconds: number;
}

/** Tells cells of the sessions of their members, so that they can accept them while control is away. */
export const sessionReplicas = replicateTable(
  SessionReplicaSchema,
  { name: "session", shardColumn: "user_id", objectColumn: "id" },
  async (db, ids, cellName) => {
    const sql = `select s.id, s.user_id as "userId", s.token_hash as "tokenHash", s.expires_at as "expiresAt",
        s.idle_expires_at as "idleExpiresAt", s.idle_timeout_seconds as "idleTimeoutSeconds"
      from control.session s join control.user_cell c on c.user_id = s.user_id and c.cell_name = $2 where s.id = any($1::bigint[])`;
    const rows = rowsOf<StoredSession>(await db.query(sql, [ids, cellName]));
    return new Map(
      rows.map(({ id, expiresAt, idleExpiresAt, ...session }) => [
        id,
        {
          ...session,
          expiresAt: timestampFromDate(expiresAt),
          idleExpiresAt: timestampFromDate(idleExpiresAt),
        },
      ]),
    );
  },
);
