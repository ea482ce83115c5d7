import { isUniqueViolation } from "@cellway/database";
import { AuditEvent } from "@cellway/gen/cellway/audit/v1/records";
import type { NewOrganizationMember, OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import type { EntityManager } from "typeorm";
import { recordAudit } from "../audit.js";
import { changeOrganization } from "../change-organization.js";
import { toOrganizationMember, toRoleText } from "../convert.js";
import type { OrganizationRow } from "../entities/organization.js";
import { OrganizationMemberRow } from "../entities/organization-member.js";
import { createMemberExistsError, createOrganizationNotFoundError, createTeamNotFoundError } from "../errors.js";
import { nextId } from "../ids.js";
import { createInviteToken } from "../invite-token.js";
import {
  findForeignTeam,
  joinTeams,
  type MemberWithTeams,
  normalizeEmail,
  withItsTeams,
} from "../store/organization-member.js";

/** AddOrganizationMember. */
export function addOrganizationMember(
  context: ServiceContext,
): MethodImpl<typeof OrganizationService.method.addOrganizationMember> {
  return async ({ member: wanted }) => {
    if (wanted === undefined) throw createOrganizationNotFoundError("0");
    const invite = wanted.identity.case === "email" ? createInviteToken() : undefined;
    const member = await changeOrganization(context, wanted.organizationId, (manager, organization) => {
      return insertMember(context, manager, { organization, wanted, inviteTokenHash: invite?.hash ?? null });
    }).catch((error: unknown) => {
      if (isUniqueViolation(error)) throw createMemberExistsError(error);
      throw error;
    });
    return { member: toOrganizationMember(member), inviteToken: invite?.token ?? "" };
  };
}

async function insertMember(
  context: ServiceContext,
  manager: EntityManager,
  options: { organization: OrganizationRow; wanted: NewOrganizationMember; inviteTokenHash: Buffer | null },
): Promise<MemberWithTeams> {
  const { organization, wanted, inviteTokenHash } = options;
  const foreignTeam = await findForeignTeam(manager, organization.id, wanted.teamIds);
  if (foreignTeam !== undefined) throw createTeamNotFoundError(foreignTeam);
  const createdAt = new Date(context.now());
  const id = await nextId(context, manager, organization.id);
  await manager.insert(OrganizationMemberRow, {
    id,
    organizationId: organization.id,
    userId: wanted.identity.case === "userId" ? wanted.identity.value : null,
    email: wanted.identity.case === "email" ? normalizeEmail(wanted.identity.value) : null,
    role: toRoleText(wanted.role, organization.defaultRole),
    inviteStatus: inviteTokenHash === null ? "ACCEPTED" : "PENDING",
    inviteTokenHash,
    inviterId: wanted.inviterId ?? null,
    createdAt,
  });
  const member = await manager.findOneByOrFail(OrganizationMemberRow, { id });
  await recordAudit(manager, {
    organizationId: organization.id,
    event: AuditEvent.MEMBER_ADDED,
    targetId: id,
    details: { role: member.role, user_id: member.userId },
  });
  await joinTeams(manager, member, wanted.teamIds, createdAt);
  return withItsTeams(manager, member);
}
