import { rowsOf } from "@cellway/database";
import { OrganizationReplicaSchema } from "@cellway/gen/cellway/directory/v1/replicas";
import { OrganizationStatus } from "@cellway/gen/cellway/organization/v1/types";
import { replicateTable } from "@cellway/outbox";
import type { OrganizationStatusText } from "../entities/organization.js";

interface Row {
  readonly id: string;
  readonly name: string;
  readonly status: OrganizationStatusText;
  readonly is_confirmed: boolean;
  readonly version: string;
}

/** Tells the directory what lists show of an organization. Nothing before it is confirmed: then all is told again. */
export const organizations = replicateTable(
  OrganizationReplicaSchema,
  { name: "organization", shardColumn: "id", objectColumn: "id" },
  async (db, ids) => {
    const sql = "select id, name, status, is_confirmed, version from cell.organization where id = any($1::bigint[])";
    const rows = rowsOf<Row>(await db.query(sql, [ids]));
    return new Map(rows.map((row) => [row.id, row.is_confirmed ? toReplica(row) : "withheld"]));
  },
);

function toReplica({ name, status, version }: Row) {
  return { name, status: OrganizationStatus[status], version };
}
