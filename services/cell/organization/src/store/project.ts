import { type EntityManager, MoreThan } from "typeorm";
import { ProjectRow } from "../entities/project.js";

/** Which projects of an organization to list. */
export interface ProjectFilter {
  readonly organizationId: string;
  readonly afterId: string;
  readonly limit: number;
  /** Only those of this team. */
  readonly teamId: string | undefined;
}

/** Adds a project. Fails with a unique violation of `project_slug_key`. */
export async function insertProject(manager: EntityManager, project: ProjectRow): Promise<void> {
  await manager.insert(ProjectRow, project);
}

/** Projects ordered by id, at most `limit + 1`, so that the caller learns whether there are more. */
export function listProjects(manager: EntityManager, filter: ProjectFilter): Promise<ProjectRow[]> {
  const { organizationId, afterId, limit, teamId } = filter;
  return manager.find(ProjectRow, {
    where: { organizationId, id: MoreThan(afterId), ...(teamId === undefined ? {} : { teamId }) },
    order: { id: "ASC" },
    take: limit + 1,
  });
}
