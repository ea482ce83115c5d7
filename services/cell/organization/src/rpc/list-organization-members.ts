import type { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import { cutPage, readPage } from "@cellway/rpc";
import type { MethodImpl } from "@connectrpc/connect";
import { toOrganizationMember, toRoleText } from "../convert.js";
import { listMembers, withTeams } from "../store/organization-member.js";

/** ListOrganizationMembers. */
export function listOrganizationMembers(
  context: ServiceContext,
): MethodImpl<typeof OrganizationService.method.listOrganizationMembers> {
  return async (req) => {
    const { manager } = context.database;
    const page = readPage(req);
    const rows = await listMembers(manager, {
      ...page,
      organizationId: req.organizationId,
      ...(req.role === undefined ? {} : { role: toRoleText(req.role, "MEMBER") }),
      ...(req.teamId === undefined ? {} : { teamId: req.teamId }),
    });
    const { items, nextPageToken } = cutPage(rows, page.limit, (row) => row.id);
    return { members: (await withTeams(manager, items)).map(toOrganizationMember), nextPageToken };
  };
}
