import { rowsOf, type SiloDatabase } from "@cellway/database";
import { IntegrationRow, type StatusName } from "../entities/integration.js";
import { OrganizationIntegrationRow } from "../entities/organization-integration.js";

/** What makes an integration. */
export type NewIntegration = Pick<IntegrationRow, "provider" | "externalId" | "name" | "metadata">;

/**
 * Inserts an integration unless its provider has one with this external id.
 *
 * @returns the row that is there now, whether it was made, and whether it is the same.
 */
export async function insertIntegration(
  database: SiloDatabase,
  integration: NewIntegration,
): Promise<{ row: IntegrationRow; wasCreated: boolean; isSame: boolean }> {
  const metadata = JSON.stringify(integration.metadata);
  const inserted = rowsOf<{ id: string }>(
    await database.query(
      `insert into control.integration (provider, external_id, name, metadata) values ($1, $2, $3, $4)
        on conflict (provider, external_id) do nothing returning id`,
      [integration.provider, integration.externalId, integration.name, metadata],
    ),
  );
  const row = await database
    .getRepository(IntegrationRow)
    .findOneByOrFail({ provider: integration.provider, externalId: integration.externalId });
  const same = rowsOf<{ is_same: boolean }>(
    await database.query(
      "select name = $2 and metadata = $3::jsonb as is_same from control.integration where id = $1",
      [row.id, integration.name, metadata],
    ),
  );
  return { row, wasCreated: inserted.length > 0, isSame: same[0]?.is_same === true };
}

/** One integration; null when there is none. */
export function findIntegration(
  database: SiloDatabase,
  by: { id: string } | { provider: string; externalId: string },
): Promise<IntegrationRow | null> {
  return database.getRepository(IntegrationRow).findOneBy(by);
}

/** Whether an integration is installed in an organization. */
export function isInstalled(database: SiloDatabase, integrationId: string, organizationId: string): Promise<boolean> {
  return database.getRepository(OrganizationIntegrationRow).existsBy({ integrationId, organizationId });
}

/** Up to `limit` integrations with an id after `afterId`, ordered by id. */
export function listIntegrations(
  database: SiloDatabase,
  filter: { organizationId: string | undefined; provider: string; status: StatusName | undefined },
  afterId: string,
  limit: number,
): Promise<IntegrationRow[]> {
  const query = database
    .getRepository(IntegrationRow)
    .createQueryBuilder("i")
    .where("i.id > :afterId", { afterId })
    .orderBy("i.id")
    .limit(limit);
  if (filter.provider !== "") query.andWhere("i.provider = :provider", { provider: filter.provider });
  if (filter.status !== undefined) query.andWhere("i.status = :status", { status: filter.status });
  if (filter.organizationId !== undefined) {
    const installed =
      "select 1 from control.organization_integration o where o.integration_id = i.id and o.organization_id = :organizationId";
    query.andWhere(`exists (${installed})`, { organizationId: filter.organizationId });
  }
  return query.getMany();
}

/** Changes an integration; null when there is none. */
export async function updateIntegration(
  database: SiloDatabase,
  id: string,
  change: Partial<Pick<IntegrationRow, "name" | "metadata" | "status">>,
): Promise<IntegrationRow | null> {
  await database.getRepository(IntegrationRow).update({ id }, { ...change, updatedAt: new Date() });
  return findIntegration(database, { id });
}

/** Deletes an integration and its installations. */
export function deleteIntegration(
  database: SiloDatabase,
  id: string,
): Promise<{ wasDeleted: boolean; removedInstallations: number }> {
  return database.transaction(async (manager) => {
    const removed = await manager.delete(OrganizationIntegrationRow, { integrationId: id });
    const deleted = await manager.delete(IntegrationRow, { id });
    return { wasDeleted: (deleted.affected ?? 0) > 0, removedInstallations: removed.affected ?? 0 };
  });
}
