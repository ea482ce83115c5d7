import { AuditEvent } from "@cellway/gen/cellway/audit/v1/records";
import { type EntityManager, MoreThan } from "typeorm";
import { recordAudit } from "../audit.js";
import { OrganizationRow } from "../entities/organization.js";
import { ProjectRow } from "../entities/project.js";
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

/** A key, and the slug of its project. */
export interface ProjectKeyInUse {
  readonly row: ProjectKeyRow;
  readonly projectSlug: string;
}

/** Keys of active organizations by their public half; others are left out. In no order. */
export async function findProjectKeysInUse(
  manager: EntityManager,
  publicKeys: readonly string[],
): Promise<ProjectKeyInUse[]> {
  const { entities, raw } = await manager
    .createQueryBuilder(ProjectKeyRow, "key")
    .innerJoin(ProjectRow, "project", "project.id = key.projectId")
    .innerJoin(OrganizationRow, "organization", "organization.id = key.organizationId")
    .addSelect("project.slug", "project_slug")
    .where("key.publicKey = any(:publicKeys) and organization.status = 'ACTIVE'", { publicKeys })
    .getRawAndEntities<{ project_slug: string }>();
  return entities.map((row, index) => ({ row, projectSlug: raw[index]?.project_slug ?? "" }));
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
