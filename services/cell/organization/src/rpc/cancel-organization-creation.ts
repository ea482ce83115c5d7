import type { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { createOrganizationConfirmedError } from "../errors.js";
import {
  deleteOrganizationRow,
  lockOrganization,
  lockOrganizationId,
  rememberCancelled,
} from "../store/organization.js";

/** CancelOrganizationCreation. The directory never knew of the organization, and hears of nothing. */
export function cancelOrganizationCreation(
  context: ServiceContext,
): MethodImpl<typeof OrganizationService.method.cancelOrganizationCreation> {
  return async ({ organizationId }) => {
    await context.database.transaction(async (manager) => {
      await lockOrganizationId(manager, organizationId);
      const organization = await lockOrganization(manager, organizationId);
      if (organization?.isConfirmed === true) throw createOrganizationConfirmedError(organizationId);
      await rememberCancelled(manager, organizationId, new Date(context.now()));
      if (organization === null) return;
      await deleteOrganizationRow(manager, organizationId);
    });
    return {};
  };
}
