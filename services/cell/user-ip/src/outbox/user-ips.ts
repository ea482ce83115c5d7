import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { rowsOf } from "@cellway/database";
import { UserIpReplicaSchema } from "@cellway/gen/cellway/audit/v1/records";
import { replicateTable } from "@cellway/outbox";

/** Tells control where users came from. */
export const userIps = replicateTable(
  UserIpReplicaSchema,
  { name: "user_ip", shardColumn: "user_id", objectColumn: "id" },
  async (db, ids) => {
    const sql = `select id, ip_address, country_code, first_seen_at, last_seen_at from cell.user_ip
      where id = any($1::bigint[])`;
    return new Map(rowsOf<UserIpColumns>(await db.query(sql, [ids])).map((row) => [row.id, toReplica(row)]));
  },
);

interface UserIpColumns {
  readonly id: string;
  readonly ip_address: string;
  readonly country_code: string;
  readonly first_seen_at: Date;
  readonly last_seen_at: Date;
}

function toReplica(row: UserIpColumns) {
  return {
    ipAddress: row.ip_address,
    countryCode: row.country_code,
    firstSeenAt: timestampFromDate(row.first_seen_at),
    lastSeenAt: timestampFromDate(row.last_seen_at),
  };
}
