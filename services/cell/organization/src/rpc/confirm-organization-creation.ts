import type { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { OrganizationRow } from "../entities/organization.js";
import { createCreationCancelledError, createOrganizationNotFoundError } from "../errors.js";
import { tellAllMembers } from "../outbox/organization-members.js";
import { isCancelled, lockOrganization } from "../store/organization.js";
import { tellDirectory } from "../tell-directory.js";

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
      await tellAllMembers(manager, organizationId);
      return true;
    });
    if (isNew) await tellDirectory(context, organizationId);
    return {};
  };
}
