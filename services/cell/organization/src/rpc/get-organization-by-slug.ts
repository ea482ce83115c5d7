import type { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { toOrganizationSummary } from "../convert.js";
import { findMember } from "../store/organization-member.js";
import { findOrganizationByAnySlug } from "../store/organization-slug-alias.js";

/** GetOrganizationBySlug. */
export function getOrganizationBySlug(
  context: ServiceContext,
): MethodImpl<typeof OrganizationService.method.getOrganizationBySlug> {
  return async ({ slug, userId }) => {
    const { manager } = context.database;
    const row = await findOrganizationByAnySlug(manager, slug, new Date(context.now()));
    if (row === null) return {};
    if (userId !== undefined) {
      if (row.status !== "ACTIVE") return {};
      if ((await findMember(manager, row.id, { userId })) === null) return {};
    }
    return { organization: toOrganizationSummary(row) };
  };
}
