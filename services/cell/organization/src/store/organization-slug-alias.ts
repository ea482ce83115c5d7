import { type EntityManager, LessThanOrEqual, MoreThan } from "typeorm";
import { OrganizationRow } from "../entities/organization.js";
import { OrganizationSlugAliasRow } from "../entities/organization-slug-alias.js";

/** An organization by its slug, or by an alias that has not expired; null when there is none. */
export async function findOrganizationByAnySlug(
  manager: EntityManager,
  slug: string,
  now: Date,
): Promise<OrganizationRow | null> {
  const row = await manager.findOneBy(OrganizationRow, { slug });
  if (row !== null) return row;
  const alias = await manager.findOneBy(OrganizationSlugAliasRow, { slug, expiresAt: MoreThan(now) });
  return alias === null ? null : manager.findOneBy(OrganizationRow, { id: alias.organizationId });
}

/** Keeps an old slug as an alias, whoever had it as one before. */
export async function keepAlias(manager: EntityManager, alias: OrganizationSlugAliasRow): Promise<void> {
  await manager.upsert(OrganizationSlugAliasRow, alias, ["slug"]);
}

/** Gives an alias up, because the slug is an organization's own now. */
export async function dropAlias(manager: EntityManager, slug: string): Promise<void> {
  await manager.delete(OrganizationSlugAliasRow, { slug });
}

/** Gives up all aliases that have expired. */
export async function dropExpiredAliases(manager: EntityManager, now: Date): Promise<void> {
  await manager.delete(OrganizationSlugAliasRow, { expiresAt: LessThanOrEqual(now) });
}
