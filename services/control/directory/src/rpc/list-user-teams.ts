import type { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import type { ServiceContext } from "@cellway/host";
import { cutPage, readPage } from "@cellway/rpc";
import type { MethodImpl } from "@connectrpc/connect";
import { listTeamsOfUser } from "../store/team-mapping.js";

/** ListUserTeams. */
export function listUserTeams(context: ServiceContext): MethodImpl<typeof DirectoryService.method.listUserTeams> {
  return async (req) => {
    const { limit, afterId } = readPage(req);
    const rows = await listTeamsOfUser(context.database, req.userId, afterId, limit + 1);
    const { items, nextPageToken } = cutPage(rows, limit, (row) => row.team_id);
    const teams = items.map(
      ({ team_id: teamId, organization_id: organizationId, cell_name: cellName, slug, name }) => ({
        teamId,
        organizationId,
        cellName,
        slug,
        name,
      }),
    );
    return { teams, nextPageToken };
  };
}
