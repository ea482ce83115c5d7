import { timestampDate } from "@bufbuild/protobuf/wkt";
import { isUniqueViolation } from "@cellway/database";
import { AuditEvent } from "@cellway/gen/cellway/audit/v1/records";
import type {
  ChangeOrganizationSlugRequest,
  OrganizationService,
} from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import type { EntityManager } from "typeorm";
import { recordAudit } from "../audit.js";
import { OrganizationRow } from "../entities/organization.js";
import {
  createOrganizationConflictError,
  createOrganizationNotFoundError,
  createSlugChangeOutdatedError,
} from "../errors.js";
import { lockOrganization } from "../store/organization.js";
import { dropAlias, keepAlias } from "../store/organization-slug-alias.js";

/** ChangeOrganizationSlug. The directory decides on slugs, so it is told nothing. */
export function changeOrganizationSlug(
  context: ServiceContext,
): MethodImpl<typeof OrganizationService.method.changeOrganizationSlug> {
  return async (req) => {
    const change = () => context.database.transaction((manager) => changeSlug(manager, req));
    // Another organization took the slug while this one was being changed; now that is seen, and remembered.
    const hasSlug = await change().catch((error: unknown) => {
      if (isUniqueViolation(error)) return change();
      throw error;
    });
    if (!hasSlug) throw createOrganizationConflictError(req.organizationId, req.slug);
    return {};
  };
}

/** Whether the organization has the slug now. If not, the number is used up: the same change is never made later. */
async function changeSlug(manager: EntityManager, req: ChangeOrganizationSlugRequest): Promise<boolean> {
  const { organizationId: id, slug, changeNumber } = req;
  const organization = await lockOrganization(manager, id);
  if (organization === null) throw createOrganizationNotFoundError(id);
  const last = BigInt(organization.slugChangeNumber);
  if (BigInt(changeNumber) < last) throw createSlugChangeOutdatedError(id, slug);
  if (BigInt(changeNumber) === last) return organization.slug === slug;
  const isTaken = slug !== organization.slug && (await manager.existsBy(OrganizationRow, { slug }));
  if (isTaken) {
    await manager.update(OrganizationRow, { id }, { slugChangeNumber: changeNumber });
    return false;
  }
  await manager.update(OrganizationRow, { id }, { slug, slugChangeNumber: changeNumber });
  await dropAlias(manager, slug);
  if (slug !== organization.slug) {
    const expiresAt = req.aliasExpiresAt === undefined ? new Date(0) : timestampDate(req.aliasExpiresAt);
    await keepAlias(manager, { slug: organization.slug, organizationId: id, expiresAt });
    const details = { slug, previous_slug: organization.slug };
    await recordAudit(manager, {
      organizationId: id,
      event: AuditEvent.ORGANIZATION_RENAMED,
      targetId: id,
      details,
    });
  }
  return true;
}
