import type { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import { cutPage, readPage } from "@cellway/rpc";
import type { MethodImpl } from "@connectrpc/connect";
import { toProjectKey } from "../convert-content.js";
import { listProjectKeys as fetchProjectKeys } from "../store/project-key.js";

/** ListProjectKeys. */
export function listProjectKeys(
  context: ServiceContext,
): MethodImpl<typeof OrganizationService.method.listProjectKeys> {
  return async (req) => {
    const page = readPage(req);
    const { organizationId, projectId } = req;
    const keys = await fetchProjectKeys(context.database.manager, { ...page, organizationId, projectId });
    const { items, nextPageToken } = cutPage(keys, page.limit, (key) => key.id);
    return { keys: items.map(toProjectKey), nextPageToken };
  };
}
