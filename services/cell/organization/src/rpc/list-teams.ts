import type { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import { cutPage, readPage } from "@cellway/rpc";
import type { MethodImpl } from "@connectrpc/connect";
import { toTeam } from "../convert-content.js";
import { listTeams as fetchTeams } from "../store/team.js";

/** ListTeams. */
export function listTeams(context: ServiceContext): MethodImpl<typeof OrganizationService.method.listTeams> {
  return async (req) => {
    const page = readPage(req);
    const { organizationId, memberId } = req;
    const teams = await fetchTeams(context.database.manager, { ...page, organizationId, memberId });
    const { items, nextPageToken } = cutPage(teams, page.limit, ({ team }) => team.id);
    return { teams: items.map(toTeam), nextPageToken };
  };
}
