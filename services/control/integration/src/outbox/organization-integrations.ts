import { rowsOf } from "@cellway/database";
import { OrganizationIntegrationReplicaSchema } from "@cellway/gen/cellway/integration/v1/replicas";
import { replicateTable } from "@cellway/outbox";
import { toOrganizationIntegrationState } from "../convert.js";
import type { OrganizationIntegrationRow } from "../entities/organization-integration.js";

/** Tells the cell of an organization what is installed there. For another cell the installation is gone. */
export const organizationIntegrationReplicas = replicateTable(
  OrganizationIntegrationReplicaSchema,
  { name: "organization_integration", shardColumn: "organization_id", objectColumn: "id" },
  async (db, ids, cellName) => {
    const sql = `select o.id, o.organization_id as "organizationId", o.integration_id as "integrationId", o.config,
        o.default_auth_id as "defaultAuthId", o.status, o.grace_period_end as "gracePeriodEnd",
        o.created_at as "createdAt", o.updated_at as "updatedAt"
      from control.organization_integration o
        join control.organization_mapping m on m.organization_id = o.organization_id and m.cell_name = $2
      where o.id = any($1::bigint[])`;
    const rows = rowsOf<OrganizationIntegrationRow>(await db.query(sql, [ids, cellName]));
    return new Map(rows.map((row) => [row.id, toOrganizationIntegrationState(row)]));
  },
);
