import type { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import { cutPage, readPage } from "@cellway/rpc";
import type { MethodImpl } from "@connectrpc/connect";
import { toProject } from "../convert-content.js";
import { listProjects as fetchProjects } from "../store/project.js";

/** ListProjects. */
export function listProjects(context: ServiceContext): MethodImpl<typeof OrganizationService.method.listProjects> {
  return async (req) => {
    const page = readPage(req);
    const { organizationId, teamId } = req;
    const projects = await fetchProjects(context.database.manager, { ...page, organizationId, teamId });
    const { items, nextPageToken } = cutPage(projects, page.limit, (project) => project.id);
    return { projects: items.map(toProject), nextPageToken };
  };
}
