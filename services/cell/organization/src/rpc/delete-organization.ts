import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { AuditEvent } from "@cellway/gen/cellway/audit/v1/records";
import type { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import type { EntityManager } from "typeorm";
import { recordAudit } from "../audit.js";
import { OrganizationRow } from "../entities/organization.js";
import { createOrganizationNotConfirmedError } from "../errors.js";
import { lockForPurge, PURGE_DELAY_MS, purgeOrganization } from "../purge-organization.js";
import { nextVersion } from "../store/organization-member.js";
import { tellDirectory } from "../tell-directory.js";

/** DeleteOrganization. */
export function deleteOrganization(
  context: ServiceContext,
): MethodImpl<typeof OrganizationService.method.deleteOrganization> {
  return async ({ organizationId, immediately }) => {
    const now = new Date(context.now());
    const purgeAt = await context.database.transaction(async (manager) => {
      const organization = await lockForPurge(manager, organizationId);
      if (organization === null) return null;
      if (!immediately) return organization.purgeAt ?? (await markForDeletion(manager, organization, now));
      if (!organization.isConfirmed) throw createOrganizationNotConfirmedError(organizationId);
      await purgeOrganization(manager, organization, now);
      return null;
    });
    await tellDirectory(context, organizationId);
    return purgeAt === null ? {} : { purgeAt: timestampFromDate(purgeAt) };
  };
}

async function markForDeletion(manager: EntityManager, organization: OrganizationRow, now: Date): Promise<Date> {
  const purgeAt = new Date(now.getTime() + PURGE_DELAY_MS);
  const version = nextVersion(organization.version);
  await manager.update(OrganizationRow, { id: organization.id }, { status: "PENDING_DELETION", purgeAt, version });
  const { id } = organization;
  await recordAudit(manager, { organizationId: id, event: AuditEvent.ORGANIZATION_DELETED, targetId: id });
  return purgeAt;
}
