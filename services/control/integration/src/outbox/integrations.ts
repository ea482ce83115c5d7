import { rowsOf } from "@cellway/database";
import { IntegrationReplicaSchema } from "@cellway/gen/cellway/integration/v1/replicas";
import { replicateTable } from "@cellway/outbox";
import { toIntegrationState } from "../convert.js";
import type { IntegrationRow } from "../entities/integration.js";

/** Tells cells of integrations that one of their organizations has installed. For any other cell they are gone. */
export const integrationReplicas = replicateTable(
  IntegrationReplicaSchema,
  { name: "integration", shardColumn: "id", objectColumn: "id" },
  async (db, ids, cellName) => {
    const sql = `select i.id, i.provider, i.external_id as "externalId", i.name, i.metadata, i.status,
        i.created_at as "createdAt", i.updated_at as "updatedAt"
      from control.integration i
      where i.id = any($1::bigint[]) and exists (
        select from control.organization_integration o
          join control.organization_mapping m on m.organization_id = o.organization_id
        where o.integration_id = i.id and m.cell_name = $2
      )`;
    const rows = rowsOf<IntegrationRow>(await db.query(sql, [ids, cellName]));
    return new Map(rows.map((row) => [row.id, toIntegrationState(row)]));
  },
);
