import { rowsOf, type SiloDatabase } from "@cellway/database";
import type { FindOptionsWhere } from "typeorm";
import type { StoredJson } from "../entities/integration.js";
import { OrganizationIntegrationRow } from "../entities/organization-integration.js";

/** The most installations that one answer holds. */
export const CONTEXTS_MAX = 200;

/** Names one installation. */
export interface InstallationKey {
  readonly organizationId: string;
  readonly integrationId: string;
}

/** Installs an integration unless it is installed. @throws a foreign key violation when there is no such integration. */
export async function insertInstallation(
  database: SiloDatabase,
  key: InstallationKey,
  settings: { config: StoredJson; defaultAuthId: string | null },
): Promise<{ row: OrganizationIntegrationRow; wasCreated: boolean }> {
  const inserted = rowsOf<{ id: string }>(
    await database.query(
      `insert into control.organization_integration (organization_id, integration_id, config, default_auth_id)
        values ($1, $2, $3, $4) on conflict (organization_id, integration_id) do nothing returning id`,
      [key.organizationId, key.integrationId, JSON.stringify(settings.config), settings.defaultAuthId],
    ),
  );
  const row = await database.getRepository(OrganizationIntegrationRow).findOneByOrFail({ ...key });
  return { row, wasCreated: inserted.length > 0 };
}

/** One installation; null when there is none. */
export function findInstallation(
  database: SiloDatabase,
  key: InstallationKey,
): Promise<OrganizationIntegrationRow | null> {
  return database.getRepository(OrganizationIntegrationRow).findOneBy({ ...key });
}

/** Up to `limit` installations of an organization with an id after `afterId`, ordered by id. */
export function listInstallations(
  database: SiloDatabase,
  filter: { organizationId: string; provider: string },
  afterId: string,
  limit: number,
): Promise<OrganizationIntegrationRow[]> {
  const query = database
    .getRepository(OrganizationIntegrationRow)
    .createQueryBuilder("o")
    .innerJoinAndSelect("o.integration", "i")
    .where("o.organization_id = :organizationId and o.id > :afterId", {
      organizationId: filter.organizationId,
      afterId,
    })
    .orderBy("o.id")
    .limit(limit);
  if (filter.provider !== "") query.andWhere("i.provider = :provider", { provider: filter.provider });
  return query.getMany();
}

/** The installation, with its integration, that a context is asked for; null when there is none. */
export function findContext(
  database: SiloDatabase,
  organizationId: string,
  by: { integrationId: string } | { provider: string; externalId: string } | { provider: string },
): Promise<OrganizationIntegrationRow | null> {
  const where: FindOptionsWhere<OrganizationIntegrationRow> = { organizationId };
  if ("integrationId" in by) where.integrationId = by.integrationId;
  else if ("externalId" in by) where.integration = { provider: by.provider, externalId: by.externalId };
  else Object.assign(where, { status: "ACTIVE", integration: { provider: by.provider, status: "ACTIVE" } });
  return database
    .getRepository(OrganizationIntegrationRow)
    .findOne({ where, relations: { integration: true }, order: { id: "ASC" } });
}

/** Changes an installation; null when there is none. */
export async function updateInstallation(
  database: SiloDatabase,
  key: InstallationKey,
  change: Partial<Pick<OrganizationIntegrationRow, "config" | "status" | "gracePeriodEnd">>,
): Promise<OrganizationIntegrationRow | null> {
  await database.getRepository(OrganizationIntegrationRow).update({ ...key }, { ...change, updatedAt: new Date() });
  return findInstallation(database, key);
}

/** Uninstalls an integration. @returns whether it was installed. */
export async function deleteInstallation(database: SiloDatabase, key: InstallationKey): Promise<boolean> {
  const result = await database.getRepository(OrganizationIntegrationRow).delete({ ...key });
  return (result.affected ?? 0) > 0;
}

/**
 * Gives installations of a provider a grace period that have none.
 *
 * @param options.skipOldest - leaves, of the installations of one integration, the one with the lowest id alone.
 */
export async function startGracePeriods(
  database: SiloDatabase,
  options: { organizationIds: readonly string[]; provider: string; end: Date; skipOldest: boolean },
): Promise<OrganizationIntegrationRow[]> {
  const changed = rowsOf<{ id: string }>(
    await database.query(
      `with changed as (
          update control.organization_integration o set grace_period_end = $3, updated_at = now()
          from control.integration i
          where i.id = o.integration_id and i.provider = $2 and o.organization_id = any($1::bigint[]) and o.grace_period_end is null
            and (not $4 or exists (
              select 1 from control.organization_integration older where older.integration_id = o.integration_id and older.id < o.id
            ))
          returning o.id
        ) select id from changed`,
      [options.organizationIds, options.provider, options.end, options.skipOldest],
    ),
  );
  if (changed.length === 0) return [];
  return database
    .getRepository(OrganizationIntegrationRow)
    .createQueryBuilder("o")
    .where("o.id in (:...ids)", { ids: changed.map((row) => row.id) })
    .orderBy("o.id")
    .getMany();
}
