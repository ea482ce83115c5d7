import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import type { ServiceContext } from "@cellway/host";
import { cutPage, readPage } from "@cellway/rpc";
import type { MethodImpl } from "@connectrpc/connect";
import { toMapping, toRole } from "../convert.js";
import { listMappingsOfUser } from "../store/organization-mapping.js";

/** ListUserOrganizations. */
export function listUserOrganizations(
  context: ServiceContext,
): MethodImpl<typeof DirectoryService.method.listUserOrganizations> {
  return async (req) => {
    const { limit, afterId } = readPage(req);
    const rows = await listMappingsOfUser(context.database, req.userId, afterId, limit + 1);
    const { items, nextPageToken } = cutPage(rows, limit, (row) => row.organization_id);
    return {
      organizations: items.map((row) => ({
        organization: toMapping(row),
        memberId: row.member_id,
        role: toRole(row.role),
        asOf: timestampFromDate(row.as_of),
      })),
      nextPageToken,
    };
  };
}
