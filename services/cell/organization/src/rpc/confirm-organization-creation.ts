import type { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { directoryUpdatesOf } from "../directory-updates.js";
import { OrganizationRow } from "../entities/organization.js";
import { createCreationCancelledError, createOrganizationNotFoundError } from "../errors.js";
import { isCancelled, lockOrganization } from "../store/organization.js";
import { recordEverything } from "../store/pending-directory-update.js";

/** ConfirmOrganizationCreation. */
export function confirmOrganizationCreation(
  context: ServiceContext,
): MethodImpl<typeof OrganizationService.method.confirmOrganizationCreation> {
  return async ({ organizationId }) => {
    const isNew = await context.database.transaction(async (manager) => {
      const organization = await lockOrganization(manager, organizationId);
      if (organization === null) {
        const wasGivenUp = await isCancelled(manager, organizationId);
        throw wasGivenUp
          ? createCreationCancelledError(organizationId)
          : createOrganizationNotFoundError(organizationId);
      }
      if (organization.isConfirmed) return false;
      await manager.update(OrganizationRow, { id: organizationId }, { isConfirmed: true });
      await recordEverything(manager, organizationId);
      return true;
    });
    if (isNew) await directoryUpdatesOf(context).flush(organizationId);
    return {};
  };
}
