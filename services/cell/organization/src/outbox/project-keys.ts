import { rowsOf } from "@cellway/database";
import { ProjectKeyReplicaSchema } from "@cellway/gen/cellway/directory/v1/replicas";
import { replicateTable } from "@cellway/outbox";

/** Tells the directory where data that is sent with a project's key belongs. */
export const projectKeys = replicateTable(
  ProjectKeyReplicaSchema,
  { name: "project_key", shardColumn: "organization_id", objectColumn: "id" },
  async (db, ids) => {
    const sql = "select id, public_key, project_id from cell.project_key where id = any($1::bigint[])";
    const rows = rowsOf<{ id: string; public_key: string; project_id: string }>(await db.query(sql, [ids]));
    return new Map(rows.map((row) => [row.id, { publicKey: row.public_key, projectId: row.project_id }]));
  },
);
