import { AuditEvent } from "@cellway/gen/cellway/audit/v1/records";
import { type EntityManager, MoreThan } from "typeorm";
import { recordAudit } from "../audit.js";
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
  const { id, organizationId, projectId } = key;
  await manager.transaction(async (own) => {
    await own.insert(ProjectKeyRow, key);
    await recordAudit(own, {
      organizationId,
      event: AuditEvent.PROJECT_KEY_CREATED,
      targetId: id,
      details: { project_id: projectId },
    });
  });
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
  return manager.transaction(async (own) => {
    const { affected } = await own.delete(ProjectKeyRow, { organizationId, id: keyId });
    if ((affected ?? 0) === 0) return false;
    await recordAudit(own, { organizationId, event: AuditEvent.PROJECT_KEY_REMOVED, targetId: keyId });
    return true;
  });
}
