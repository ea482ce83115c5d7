import type { ServiceContext } from "@cellway/host";
import type { EntityManager } from "typeorm";
import type { OrganizationRow } from "./entities/organization.js";
import { createOrganizationNotFoundError } from "./errors.js";
import { lockOrganization } from "./store/organization.js";
import { tellDirectory } from "./tell-directory.js";

/**
 * Changes an organization or its members: in one transaction, one at a time for each organization. The directory
 * is told after the commit, as a rule before this answers.
 *
 * @param change - is given the locked organization; an error that it throws undoes everything.
 * @throws NOT_FOUND / ORGANIZATION_NOT_FOUND.
 */
export async function changeOrganization<T>(
  context: ServiceContext,
  organizationId: string,
  change: (manager: EntityManager, organization: OrganizationRow) => Promise<T>,
): Promise<T> {
  const result = await context.database.transaction(async (manager) => {
    const organization = await lockOrganization(manager, organizationId);
    if (organization === null) throw createOrganizationNotFoundError(organizationId);
    return change(manager, organization);
  });
  await tellDirectory(context, organizationId);
  return result;
}
