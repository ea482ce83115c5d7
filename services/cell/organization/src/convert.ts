import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type {
  OrganizationMemberSchema,
  OrganizationSchema,
  OrganizationSummarySchema,
} from "@cellway/gen/cellway/organization/v1/organization";
import { InviteStatus, MemberRole, OrganizationStatus } from "@cellway/gen/cellway/organization/v1/types";
import type { MemberRoleText, OrganizationRow } from "./entities/organization.js";
import type { MemberWithTeams } from "./store/organization-member.js";

/** An organization as the contract has it. */
export function toOrganization(row: OrganizationRow): MessageInitShape<typeof OrganizationSchema> {
  return {
    id: row.id,
    slug: row.slug,
    name: row.name,
    status: OrganizationStatus[row.status],
    defaultRole: MemberRole[row.defaultRole],
    avatarUrl: row.avatarUrl,
    isEarlyAdopter: row.isEarlyAdopter,
    requiresTwoFactor: row.requiresTwoFactor,
    allowsJoinRequests: row.allowsJoinRequests,
    hasOpenMembership: row.hasOpenMembership,
    allowsSharedIssues: row.allowsSharedIssues,
    hasEnhancedPrivacy: row.hasEnhancedPrivacy,
    isConfirmed: row.isConfirmed,
    createdAt: timestampFromDate(row.createdAt),
    ...(row.purgeAt === null ? {} : { purgeAt: timestampFromDate(row.purgeAt) }),
    version: row.version,
  };
}

/** What lists show of an organization. */
export function toOrganizationSummary(row: OrganizationRow): MessageInitShape<typeof OrganizationSummarySchema> {
  return {
    id: row.id,
    slug: row.slug,
    name: row.name,
    status: OrganizationStatus[row.status],
    avatarUrl: row.avatarUrl,
  };
}

/** A member as the contract has it. */
export function toOrganizationMember({
  member,
  teamIds,
}: MemberWithTeams): MessageInitShape<typeof OrganizationMemberSchema> {
  return {
    id: member.id,
    organizationId: member.organizationId,
    ...(member.userId === null ? {} : { userId: member.userId }),
    email: member.email ?? "",
    role: MemberRole[member.role],
    inviteStatus: InviteStatus[member.inviteStatus],
    teamIds: [...teamIds],
    ...(member.inviterId === null ? {} : { inviterId: member.inviterId }),
    createdAt: timestampFromDate(member.createdAt),
    version: member.version,
  };
}

/** How a row says a role; `fallback` for an unspecified one. */
export function toRoleText(role: MemberRole, fallback: MemberRoleText): MemberRoleText {
  return role === MemberRole.UNSPECIFIED ? fallback : (MemberRole[role] as MemberRoleText);
}
