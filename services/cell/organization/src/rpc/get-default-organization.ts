import type { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { toOrganization } from "../convert.js";
import { createSeveralOrganizationsError } from "../errors.js";
import { findConfirmedOrganizations } from "../store/organization.js";

/** GetDefaultOrganization. */
export function getDefaultOrganization(
  context: ServiceContext,
): MethodImpl<typeof OrganizationService.method.getDefaultOrganization> {
  return async () => {
    const [only, another] = await findConfirmedOrganizations(context.database.manager);
    if (another !== undefined) throw createSeveralOrganizationsError();
    return only === undefined ? {} : { organization: toOrganization(only) };
  };
}
