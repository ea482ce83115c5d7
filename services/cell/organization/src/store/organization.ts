import { cellNumberOfSnowflake } from "@cellway/database";
import { AuditEvent } from "@cellway/gen/cellway/audit/v1/records";
import { type EntityManager, In, LessThanOrEqual, Not } from "typeorm";
import { recordAudit } from "../audit.js";
import { CancelledOrganizationRow } from "../entities/cancelled-organization.js";
import { OrganizationRow } from "../entities/organization.js";

/** Organizations that one run of the purge takes at a time. */
export const PURGE_BATCH_MAX = 100;

/** An organization, or null. */
export function findOrganization(manager: EntityManager, organizationId: string): Promise<OrganizationRow | null> {
  return manager.findOneBy(OrganizationRow, { id: organizationId });
}

/** An organization by its slug, or null. */
export function findOrganizationBySlug(manager: EntityManager, slug: string): Promise<OrganizationRow | null> {
  return manager.findOneBy(OrganizationRow, { slug });
}

/**
 * Several organizations, ordered by id; absent ones are left out.
 *
 * @param cellNumber - only those whose id this cell gave out.
 */
export async function findOrganizations(
  manager: EntityManager,
  ids: readonly string[],
  cellNumber?: number,
): Promise<OrganizationRow[]> {
  const wanted = cellNumber === undefined ? ids : ids.filter((id) => cellNumberOfSnowflake(id) === cellNumber);
  return manager.find(OrganizationRow, { where: { id: In([...wanted]) }, order: { id: "ASC" } });
}

/** The first two confirmed organizations: enough to know whether there is exactly one. */
export function findConfirmedOrganizations(manager: EntityManager): Promise<OrganizationRow[]> {
  return manager.find(OrganizationRow, { where: { isConfirmed: true }, order: { id: "ASC" }, take: 2 });
}

/** Locks an organization until the transaction ends: every change of it or of its members holds this. Null when absent. */
export function lockOrganization(manager: EntityManager, organizationId: string): Promise<OrganizationRow | null> {
  return manager.findOne(OrganizationRow, { where: { id: organizationId }, lock: { mode: "pessimistic_write" } });
}

/** Holds an id, taken or not, until the transaction ends, so that its creation and cancellation come one after the other. */
export async function lockOrganizationId(manager: EntityManager, organizationId: string): Promise<void> {
  await manager.query("select pg_advisory_xact_lock($1::bigint)", [organizationId]);
}

/** Whether the id was given up, or its organization purged. */
export function isCancelled(manager: EntityManager, organizationId: string): Promise<boolean> {
  return manager.existsBy(CancelledOrganizationRow, { organizationId });
}

/** Remembers that no organization of this id may be created any more. */
export async function rememberCancelled(manager: EntityManager, organizationId: string, now: Date): Promise<void> {
  const values = { organizationId, cancelledAt: now };
  await manager.createQueryBuilder().insert().into(CancelledOrganizationRow).values(values).orIgnore().execute();
}

/** Removes an organization and everything that belongs to it. */
export async function deleteOrganizationRow(manager: EntityManager, organizationId: string): Promise<void> {
  // Projects hold on to their teams, which the cascade from the organization may take first.
  await manager.query("delete from cell.project where organization_id = $1", [organizationId]);
  await manager.delete(OrganizationRow, { id: organizationId });
  await recordAudit(manager, { organizationId, event: AuditEvent.ORGANIZATION_PURGED, targetId: organizationId });
}

/** Ids of confirmed organizations whose time has come, those that wait longest first, at most {@link PURGE_BATCH_MAX}. */
export async function findPurgeable(manager: EntityManager, now: Date, except: readonly string[]): Promise<string[]> {
  const rows = await manager.find(OrganizationRow, {
    select: { id: true },
    where: {
      purgeAt: LessThanOrEqual(now),
      isConfirmed: true,
      ...(except.length === 0 ? {} : { id: Not(In([...except])) }),
    },
    order: { purgeAt: "ASC", id: "ASC" },
    take: PURGE_BATCH_MAX,
  });
  return rows.map((row) => row.id);
}
