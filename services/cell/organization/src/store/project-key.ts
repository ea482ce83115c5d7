import { type EntityManager, MoreThan } from "typeorm";
import { ProjectKeyRow } from "../entities/project-key.js";

/** Which keys of a project to list. */
export interface ProjectKeyFilter {
  readonly organizationId: string;
  readonly projectId: string;
  readonly afterId: string;
  readonly limit: number;
}

/** Adds a key. Fails with a foreign key violation when the organization has no such project. */
export async function insertProjectKey(manager: EntityManager, key: ProjectKeyRow): Promise<void> {
  await manager.insert(ProjectKeyRow, key);
}

/** Keys ordered by id, at most `limit + 1`, so that the caller learns whether there are more. */
export function listProjectKeys(manager: EntityManager, filter: ProjectKeyFilter): Promise<ProjectKeyRow[]> {
  const { organizationId, projectId, afterId, limit } = filter;
  return manager.find(ProjectKeyRow, {
    where: { organizationId, projectId, id: MoreThan(afterId) },
    order: { id: "ASC" },
    take: limit + 1,
  });
}

/** Removes a key of an organization; false when there was none. */
export async function deleteProjectKey(
  manager: EntityManager,
  organizationId: string,
  keyId: string,
): Promise<boolean> {
  const { affected } = await manager.delete(ProjectKeyRow, { organizationId, id: keyId });
  return (affected ?? 0) > 0;
}
