import type { EntityManager } from "typeorm";
import type { OrganizationRow } from "./entities/organization.js";
import {
  deleteOrganizationRow,
  lockOrganization,
  lockOrganizationId,
  rememberCancelled,
} from "./store/organization.js";

/** How long a deletion can be taken back. */
export const PURGE_DELAY_MS = 30 * 24 * 60 * 60 * 1000;

/** Locks an organization that may be purged: against changes, and against a late creation of the same id. */
export async function lockForPurge(manager: EntityManager, organizationId: string): Promise<OrganizationRow | null> {
  await lockOrganizationId(manager, organizationId);
  return lockOrganization(manager, organizationId);
}

/**
 * Removes an organization with everything in it, of which the directory is told. Its id is never used again. Needs {@link lockForPurge}.
 */
export async function purgeOrganization(
  manager: EntityManager,
  organization: OrganizationRow,
  now: Date,
): Promise<void> {
  await rememberCancelled(manager, organization.id, now);
  await deleteOrganizationRow(manager, organization.id);
}
