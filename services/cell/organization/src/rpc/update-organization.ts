import { AuditEvent } from "@cellway/gen/cellway/audit/v1/records";
import type { OrganizationService, UpdateOrganizationRequest } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import { readUpdateMask } from "@cellway/rpc";
import type { MethodImpl } from "@connectrpc/connect";
import { recordAudit } from "../audit.js";
import { changeOrganization } from "../change-organization.js";
import { toOrganization, toRoleText } from "../convert.js";
import { OrganizationRow } from "../entities/organization.js";
import { createFieldNotSetError } from "../errors.js";
import { nextVersion } from "../store/organization-member.js";

const PATHS = [
  "name",
  "default_role",
  "avatar_url",
  "is_early_adopter",
  "requires_two_factor",
  "allows_join_requests",
  "has_open_membership",
  "allows_shared_issues",
  "has_enhanced_privacy",
] as const;

type Path = (typeof PATHS)[number];

/** UpdateOrganization. */
export function updateOrganization(
  context: ServiceContext,
): MethodImpl<typeof OrganizationService.method.updateOrganization> {
  return async (req) => {
    const change = readChange(req, readUpdateMask(req.updateMask, PATHS));
    const row = await changeOrganization(context, req.organizationId, async (manager, organization) => {
      const isShown = change.name !== undefined && change.name !== organization.name;
      const values = isShown ? { ...change, version: nextVersion(organization.version) } : change;
      await manager.update(OrganizationRow, { id: organization.id }, values);
      await recordAudit(manager, {
        organizationId: organization.id,
        event: AuditEvent.ORGANIZATION_CHANGED,
        targetId: organization.id,
        details: { fields: req.updateMask?.paths.join(",") },
      });
      return manager.merge<OrganizationRow>(OrganizationRow, organization, values);
    });
    return { organization: toOrganization(row) };
  };
}

type Change = Partial<Omit<OrganizationRow, "id" | "version">>;

function readChange(req: UpdateOrganizationRequest, mask: ReadonlySet<Path>): Change {
  const readers: Readonly<Record<Path, () => Change>> = {
    name: () => ({ name: req.name ?? fail("name") }),
    default_role: () => ({ defaultRole: toRoleText(req.defaultRole ?? fail("default_role"), "MEMBER") }),
    avatar_url: () => ({ avatarUrl: req.avatarUrl }),
    is_early_adopter: () => ({ isEarlyAdopter: req.isEarlyAdopter }),
    requires_two_factor: () => ({ requiresTwoFactor: req.requiresTwoFactor }),
    allows_join_requests: () => ({ allowsJoinRequests: req.allowsJoinRequests }),
    has_open_membership: () => ({ hasOpenMembership: req.hasOpenMembership }),
    allows_shared_issues: () => ({ allowsSharedIssues: req.allowsSharedIssues }),
    has_enhanced_privacy: () => ({ hasEnhancedPrivacy: req.hasEnhancedPrivacy }),
  };
  return Object.assign({}, ...[...mask].map((path) => readers[path]())) as Change;
}

function fail(field: string): never {
  throw createFieldNotSetError(field);
}
