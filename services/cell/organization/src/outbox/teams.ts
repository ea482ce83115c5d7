import { rowsOf } from "@cellway/database";
import { TeamReplicaSchema } from "@cellway/gen/cellway/directory/v1/replicas";
import { replicateTable } from "@cellway/outbox";

interface Row {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  readonly is_confirmed: boolean;
}

/** Tells the directory of the teams of an organization, once that is confirmed. */
export const teams = replicateTable(
  TeamReplicaSchema,
  { name: "team", shardColumn: "organization_id", objectColumn: "id" },
  async (db, ids) => {
    const sql = `select t.id, t.slug, t.name, o.is_confirmed
      from cell.team t join cell.organization o on o.id = t.organization_id where t.id = any($1::bigint[])`;
    const rows = rowsOf<Row>(await db.query(sql, [ids]));
    return new Map(rows.map(({ id, slug, name, is_confirmed }) => [id, is_confirmed ? { slug, name } : "withheld"]));
  },
);
