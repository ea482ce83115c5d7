import { isUniqueViolation } from "@cellway/database";
import { AuditEvent } from "@cellway/gen/cellway/audit/v1/records";
import type { CreateOrganizationRequest, OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import type { EntityManager } from "typeorm";
import { recordAudit } from "../audit.js";
import { toOrganization } from "../convert.js";
import { OrganizationRow } from "../entities/organization.js";
import { OrganizationMemberRow } from "../entities/organization-member.js";
import { TeamRow } from "../entities/team.js";
import { TeamMemberRow } from "../entities/team-member.js";
import { createCreationCancelledError, createOrganizationConflictError } from "../errors.js";
import { nextId } from "../ids.js";
import { findOrganization, findOrganizationBySlug, isCancelled, lockOrganizationId } from "../store/organization.js";
import { normalizeEmail } from "../store/organization-member.js";
import { dropAlias } from "../store/organization-slug-alias.js";

/** CreateOrganization. */
export function createOrganization(
  context: ServiceContext,
): MethodImpl<typeof OrganizationService.method.createOrganization> {
  return async (req) => {
    const row = await createOnce(context, req).catch((error: unknown) => {
      // Another organization took the slug while this one was being written.
      if (isUniqueViolation(error)) throw createOrganizationConflictError(req.organizationId, req.slug, error);
      throw error;
    });
    return { organization: toOrganization(row), ownerMemberId: row.initialOwnerMemberId };
  };
}

function createOnce(context: ServiceContext, req: CreateOrganizationRequest): Promise<OrganizationRow> {
  const { organizationId, slug, ownerUserId } = req;
  return context.database.transaction(async (manager) => {
    await lockOrganizationId(manager, organizationId);
    if (await isCancelled(manager, organizationId)) throw createCreationCancelledError(organizationId);
    const known = (await findOrganization(manager, organizationId)) ?? (await findOrganizationBySlug(manager, slug));
    if (known === null) return insertOrganization(context, manager, req);
    if (known.id === organizationId && known.slug === slug && known.initialOwnerUserId === ownerUserId) return known;
    throw createOrganizationConflictError(organizationId, slug);
  });
}

async function insertOrganization(
  context: ServiceContext,
  manager: EntityManager,
  req: CreateOrganizationRequest,
): Promise<OrganizationRow> {
  const { organizationId, slug, name, ownerUserId, ownerEmail } = req;
  const memberId = await nextId(context, manager, organizationId);
  const teamId = await nextId(context, manager, organizationId);
  const createdAt = new Date(context.now());
  // An alias of that name has expired in control, which gave the slug out again.
  await dropAlias(manager, slug);
  await manager.insert(OrganizationRow, {
    id: organizationId,
    slug,
    name,
    initialOwnerUserId: ownerUserId,
    initialOwnerMemberId: memberId,
    createdAt,
  });
  await manager.insert(OrganizationMemberRow, {
    id: memberId,
    organizationId,
    userId: ownerUserId,
    email: normalizeEmail(ownerEmail),
    role: "OWNER",
    inviteStatus: "ACCEPTED",
    createdAt,
  });
  await manager.insert(TeamRow, { id: teamId, organizationId, slug, name, createdAt });
  await manager.insert(TeamMemberRow, { organizationId, teamId, memberId, createdAt });
  await recordAudit(manager, {
    organizationId,
    event: AuditEvent.ORGANIZATION_CREATED,
    targetId: organizationId,
    details: { slug, user_id: ownerUserId },
  });
  return manager.findOneByOrFail(OrganizationRow, { id: organizationId });
}
