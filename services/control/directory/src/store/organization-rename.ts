import { isUniqueViolation, type Queryable, rowsOf } from "@cellway/database";
import { type EntityManager, LessThanOrEqual } from "typeorm";
import { OrganizationMappingRow } from "../entities/organization-mapping.js";
import { OrganizationRename } from "../entities/organization-rename.js";
import { OrganizationSlugReservation } from "../entities/organization-slug-reservation.js";
import { createSlugTakenError } from "../errors.js";

/** How long a worker may be silent before its rename counts as abandoned: longer than the longest call. */
const LEASE_MS = 30_000;

/** Leases run by the database's clock, which all processes share. */
const leaseEnd = () => `now() + interval '${LEASE_MS} milliseconds'`;

/** Locks an organization's mapping until the transaction ends: every change of its slugs holds this. Null when absent. */
export function lockMapping(manager: EntityManager, organizationId: string): Promise<OrganizationMappingRow | null> {
  const lock = { mode: "pessimistic_write" } as const;
  return manager.findOne(OrganizationMappingRow, { where: { organizationId }, lock });
}

/** The rename of an organization that is under way, or null. */
export function findRename(manager: EntityManager, organizationId: string): Promise<OrganizationRename | null> {
  return manager.findOneBy(OrganizationRename, { organizationId });
}

/** Whether the worker that holds a rename may still be at it. */
export async function isRenameLeased(db: Queryable, organizationId: string): Promise<boolean> {
  const sql = "select lease_until > now() as is_leased from control.organization_rename where organization_id = $1";
  return rowsOf<{ is_leased: boolean }>(await db.query(sql, [organizationId]))[0]?.is_leased === true;
}

/**
 * Takes the new slug, which may be an alias of the organization, and writes the rename down, leased to the caller.
 *
 * @throws ALREADY_EXISTS / SLUG_TAKEN; the transaction is then to be given up.
 */
export async function insertRename(
  manager: EntityManager,
  mapping: Pick<OrganizationMappingRow, "organizationId" | "cellName">,
  wanted: { slug: string; aliasExpiresAt: Date },
): Promise<OrganizationRename> {
  const { organizationId, cellName } = mapping;
  const { slug, aliasExpiresAt } = wanted;
  const known = await manager.findOneBy(OrganizationSlugReservation, { slug });
  if (known !== null && known.organizationId !== organizationId) throw createSlugTakenError(slug);
  try {
    if (known === null)
      await manager.insert(OrganizationSlugReservation, { slug, organizationId, cellName, kind: "RENAME" });
    else await manager.update(OrganizationSlugReservation, { slug }, { kind: "RENAME", expiresAt: null });
  } catch (error) {
    throw isUniqueViolation(error) ? createSlugTakenError(slug, error) : error;
  }
  const sql = "select nextval('control.organization_rename_number')::text as number";
  const number = rowsOf<{ number: string }>(await manager.query(sql))[0]?.number ?? "";
  const values = { organizationId, number, slug, aliasExpiresAt, wasAliasUntil: known?.expiresAt ?? null, attempt: 1 };
  await manager.insert(OrganizationRename, { ...values, leaseUntil: leaseEnd });
  return manager.create(OrganizationRename, values);
}

/** Leases a rename to the caller; whoever held it before can write no more. */
export async function takeOverRename(manager: EntityManager, rename: OrganizationRename): Promise<OrganizationRename> {
  const attempt = rename.attempt + 1;
  const { organizationId } = rename;
  await manager.update(OrganizationRename, { organizationId }, { attempt, leaseUntil: leaseEnd });
  return manager.merge(OrganizationRename, manager.create(OrganizationRename), rename, { attempt });
}

/** Lets the sweep, or the next call, go on with a rename at once. */
export async function releaseRename(db: Queryable, { organizationId, attempt }: OrganizationRename): Promise<void> {
  const sql = "update control.organization_rename set lease_until = now() where organization_id = $1 and attempt = $2";
  await db.query(sql, [organizationId, attempt]);
}

/** Ends a rename that is at this attempt. @returns whether it was. */
export async function deleteRename(manager: EntityManager, rename: OrganizationRename): Promise<boolean> {
  const { organizationId, attempt } = rename;
  const { affected } = await manager.delete(OrganizationRename, { organizationId, attempt });
  return affected === 1;
}

/** Makes the slug of a rename the organization's own, and the one before it an alias. Needs {@link lockMapping}. */
export async function movePrimarySlug(manager: EntityManager, rename: OrganizationRename): Promise<void> {
  const { organizationId, slug, aliasExpiresAt } = rename;
  const old = { organizationId, kind: "PRIMARY" } as const;
  await manager.update(OrganizationSlugReservation, old, { kind: "ALIAS", expiresAt: aliasExpiresAt });
  await manager.update(OrganizationSlugReservation, { slug, organizationId }, { kind: "PRIMARY" });
  await manager.query(
    `update control.organization_mapping set slug = $2, route_epoch = route_epoch + 1, updated_at = now()
      where organization_id = $1`,
    [organizationId, slug],
  );
}

/** Gives the slug of a rename up; one that was an alias is an alias again. */
export async function giveRenameSlugBack(manager: EntityManager, rename: OrganizationRename): Promise<void> {
  const { organizationId, slug, wasAliasUntil } = rename;
  const taken = { organizationId, slug, kind: "RENAME" } as const;
  if (wasAliasUntil === null) await manager.delete(OrganizationSlugReservation, taken);
  else await manager.update(OrganizationSlugReservation, taken, { kind: "ALIAS", expiresAt: wasAliasUntil });
}

/** Organizations of up to `limit` renames whose worker has been silent for too long, by cell. */
export async function findAbandonedRenames(db: Queryable, limit: number): Promise<Map<string, string[]>> {
  const sql = `select r.organization_id, coalesce(m.cell_name, '') as cell_name from control.organization_rename r
    left join control.organization_mapping m on m.organization_id = r.organization_id
    where r.lease_until <= now() order by r.lease_until limit $1`;
  const byCell = new Map<string, string[]>();
  for (const row of rowsOf<{ organization_id: string; cell_name: string }>(await db.query(sql, [limit]))) {
    byCell.set(row.cell_name, [...(byCell.get(row.cell_name) ?? []), row.organization_id]);
  }
  return byCell;
}

/** Up to `limit` aliases whose time has come, those that wait longest first. */
export function findExpiredAliases(
  manager: EntityManager,
  now: Date,
  limit: number,
): Promise<OrganizationSlugReservation[]> {
  const where = { kind: "ALIAS", expiresAt: LessThanOrEqual(now) } as const;
  return manager.find(OrganizationSlugReservation, { where, order: { expiresAt: "ASC", slug: "ASC" }, take: limit });
}

/** Gives an alias up that has expired, as a change of the organization's route. Needs {@link lockMapping}. */
export async function dropAlias(manager: EntityManager, alias: OrganizationSlugReservation, now: Date): Promise<void> {
  const { slug, organizationId } = alias;
  const expired = { slug, organizationId, kind: "ALIAS", expiresAt: LessThanOrEqual(now) } as const;
  const { affected } = await manager.delete(OrganizationSlugReservation, expired);
  if (affected === 0) return;
  const sql = "update control.organization_mapping set route_epoch = route_epoch + 1 where organization_id = $1";
  await manager.query(sql, [organizationId]);
}
