import type { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { toOrganizationSummary } from "../convert.js";
import { sharedCellNumber } from "../ids.js";
import { findOrganizations } from "../store/organization.js";

/** BatchGetOrganizations. */
export function batchGetOrganizations(
  context: ServiceContext,
): MethodImpl<typeof OrganizationService.method.batchGetOrganizations> {
  return async ({ cellName, organizationIds }) => {
    const rows = await findOrganizations(
      context.database.manager,
      organizationIds,
      sharedCellNumber(context, cellName),
    );
    return { organizations: rows.map(toOrganizationSummary) };
  };
}
