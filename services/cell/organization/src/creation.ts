import type { ServiceContext } from "@cellway/host";
import { OrganizationRow } from "./entities/organization.js";
import {
  createCreationCancelledError,
  createOrganizationConfirmedError,
  createOrganizationNotFoundError,
} from "./errors.js";
import { tellEverything } from "./outbox/tell-everything.js";
import {
  deleteOrganizationRow,
  isCancelled,
  lockOrganization,
  lockOrganizationId,
  rememberCancelled,
} from "./store/organization.js";

/**
 * The directory routes to the organization: from now on it is told of every change. The same again changes nothing.
 *
 * @returns whether it was news.
 * @throws FAILED_PRECONDITION / ORGANIZATION_CREATION_CANCELLED, also after a purge · NOT_FOUND / ORGANIZATION_NOT_FOUND.
 */
export function confirmCreation(context: ServiceContext, organizationId: string): Promise<boolean> {
  return context.database.transaction(async (manager) => {
    const organization = await lockOrganization(manager, organizationId);
    if (organization === null) {
      const wasGivenUp = await isCancelled(manager, organizationId);
      throw wasGivenUp ? createCreationCancelledError(organizationId) : createOrganizationNotFoundError(organizationId);
    }
    if (organization.isConfirmed) return false;
    await manager.update(OrganizationRow, { id: organizationId }, { isConfirmed: true });
    await tellEverything(manager, organizationId);
    return true;
  });
}

/**
 * The directory has given the organization up and never told anybody of it: it is deleted, and never created again.
 *
 * @throws FAILED_PRECONDITION / ORGANIZATION_CONFIRMED.
 */
export function cancelCreation(context: ServiceContext, organizationId: string): Promise<void> {
  return context.database.transaction(async (manager) => {
    await lockOrganizationId(manager, organizationId);
    const organization = await lockOrganization(manager, organizationId);
    if (organization?.isConfirmed === true) throw createOrganizationConfirmedError(organizationId);
    await rememberCancelled(manager, organizationId, new Date(context.now()));
    if (organization !== null) await deleteOrganizationRow(manager, organizationId);
  });
}
