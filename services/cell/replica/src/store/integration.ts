import { type Queryable, rowsOf } from "@cellway/database";
import type { PageRequest } from "@cellway/rpc";
import type { ReplicaTable } from "./upsert-replica.js";

/** Installations in the organizations of a cell. */
export const ORGANIZATION_INTEGRATION_REPLICA: ReplicaTable = {
  name: "organization_integration_replica",
  objectColumn: "organization_integration_id",
  contentColumns: [
    "organization_id",
    "integration_id",
    "config",
    "default_auth_id",
    "status",
    "grace_period_end",
    "created_at",
    "changed_at",
  ],
};

/** Integrations that an organization of a cell has installed. */
export const INTEGRATION_REPLICA: ReplicaTable = {
  name: "integration_replica",
  objectColumn: "integration_id",
  contentColumns: ["provider", "external_id", "name", "metadata", "status", "created_at", "changed_at"],
};

/** The name of a status, as it is stored. */
export type StatusName = "ACTIVE" | "DISABLED" | "PENDING_DELETION";

/** An installation with its integration, whose columns are null while the cell knows only of the installation. */
export interface InstallationRow {
  readonly id: string;
  readonly organizationId: string;
  readonly integrationId: string;
  readonly config: object;
  readonly defaultAuthId: string | null;
  readonly status: StatusName;
  readonly gracePeriodEnd: Date | null;
  readonly createdAt: Date;
  readonly changedAt: Date;
  readonly provider: string | null;
  readonly externalId: string;
  readonly name: string;
  readonly metadata: object;
  readonly integrationStatus: StatusName;
  readonly integrationCreatedAt: Date;
  readonly integrationChangedAt: Date;
}

/** The installations of an organization by ascending id: one more than the page holds, if there are more. */
export async function listInstallations(
  db: Queryable,
  organizationId: string,
  page: PageRequest,
): Promise<InstallationRow[]> {
  // In a monolith the cell that an organization has left may not have heard of it yet.
  const sql = `select distinct on (o.organization_integration_id) o.organization_integration_id as id, o.organization_id as "organizationId",
      o.integration_id as "integrationId", o.config, o.default_auth_id as "defaultAuthId", o.status,
      o.grace_period_end as "gracePeriodEnd", o.created_at as "createdAt", o.changed_at as "changedAt",
      i.provider, i.external_id as "externalId", i.name, i.metadata, i.status as "integrationStatus",
      i.created_at as "integrationCreatedAt", i.changed_at as "integrationChangedAt"
    from cell.organization_integration_replica o
      left join cell.integration_replica i on i.cell_name = o.cell_name and i.integration_id = o.integration_id
    where o.organization_id = $1 and o.organization_integration_id > $2
    order by o.organization_integration_id, o.version desc limit $3`;
  return rowsOf(await db.query(sql, [organizationId, page.afterId, page.limit + 1]));
}
