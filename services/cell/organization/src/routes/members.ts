import type { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { MemberRole } from "@cellway/gen/cellway/organization/v1/types";
import {
  createNotFoundProblem,
  idParameter,
  isAtLeast,
  type MemberRoleName,
  ProblemError,
  pageQuery,
  type RouteOrganization,
  toPageRequest,
} from "@cellway/http";
import { reasonOf } from "@cellway/rpc";
import type { Client } from "@connectrpc/connect";
import { z } from "zod";
import { defineOrganizationRoute } from "./define-organization-route.js";
import { memberSchema, roleSchema, showMember } from "./schemas.js";

/** Refusals by which a stranger would learn what invitations there are. */
const TELLING: ReadonlySet<string | undefined> = new Set([
  "INVITE_TOKEN_INVALID",
  "MEMBER_NOT_FOUND",
  "ORGANIZATION_NOT_FOUND",
]);

/** Members and invitations. */
export const memberRoutes = [
  defineOrganizationRoute({
    name: "listMembers",
    summary: "Lists the members of an organization, and those who are invited.",
    method: "GET",
    path: "members/",
    access: { kind: "member", scope: "member:read", role: "MEMBER" },
    query: pageQuery,
    response: z.array(memberSchema),
    async handle({ client, organization, query }) {
      const page = await client.listOrganizationMembers({ organizationId: organization.id, ...toPageRequest(query) });
      return { body: page.members.map(showMember), nextCursor: page.nextPageToken };
    },
  }),
  defineOrganizationRoute({
    name: "inviteMember",
    summary: "Invites somebody by email. The token of the answer is shown once; whoever has it may accept.",
    method: "POST",
    path: "members/",
    access: { kind: "member", scope: "member:write", role: "MANAGER" },
    body: z.strictObject({ email: z.email().max(254), role: roleSchema.default("MEMBER") }),
    response: z.object({ member: memberSchema, invite_token: z.string() }),
    status: 201,
    async handle({ client, organization, principal, body }) {
      assertMayGive(organization, body.role);
      const { member, inviteToken } = await client.addOrganizationMember({
        member: {
          organizationId: organization.id,
          identity: { case: "email", value: body.email },
          role: MemberRole[body.role],
          inviterId: principal.userId,
        },
      });
      return { body: { member: showMember(member), invite_token: inviteToken } };
    },
  }),
  defineOrganizationRoute({
    name: "acceptInvite",
    summary: "Makes whoever calls the member that was invited.",
    method: "POST",
    path: "members/{member_id}/accept/",
    params: { member_id: idParameter },
    access: { kind: "invited" },
    body: z.strictObject({ invite_token: z.string().min(1).max(128) }),
    response: memberSchema,
    async handle({ client, organization, principal, params, body }) {
      const accepting = client.acceptInvite({
        organizationId: organization.id,
        memberId: params.member_id,
        userId: principal.userId,
        inviteToken: body.invite_token,
      });
      const { member } = await accepting.catch((error: unknown) => {
        throw TELLING.has(reasonOf(error)) ? createNotFoundProblem() : error;
      });
      return { body: showMember(member) };
    },
  }),
  defineOrganizationRoute({
    name: "updateMember",
    summary: "Gives a member another role; never one above that of whoever calls.",
    method: "PATCH",
    path: "members/{member_id}/",
    params: { member_id: idParameter },
    access: { kind: "member", scope: "member:write", role: "MANAGER" },
    body: z.strictObject({ role: roleSchema }),
    response: memberSchema,
    async handle({ client, organization, params, body }) {
      assertMayGive(organization, body.role);
      await assertMayChange(client, organization, params.member_id);
      const { member } = await client.updateOrganizationMember({
        organizationId: organization.id,
        memberId: params.member_id,
        updateMask: { paths: ["role"] },
        role: MemberRole[body.role],
      });
      return { body: showMember(member) };
    },
  }),
  defineOrganizationRoute({
    name: "removeMember",
    summary: "Removes a member or an invitation.",
    method: "DELETE",
    path: "members/{member_id}/",
    params: { member_id: idParameter },
    access: { kind: "member", scope: "member:write", role: "MANAGER" },
    response: z.object({ was_removed: z.boolean() }),
    async handle({ client, organization, params }) {
      await assertMayChange(client, organization, params.member_id);
      const { wasRemoved } = await client.removeOrganizationMember({
        organizationId: organization.id,
        memberId: params.member_id,
      });
      return { body: { was_removed: wasRemoved } };
    },
  }),
];

/** @throws 403 for a role above that of whoever calls. */
function assertMayGive({ role }: RouteOrganization, wanted: MemberRoleName): void {
  if (role !== undefined && isAtLeast(role, wanted)) return;
  throw new ProblemError(403, "ROLE_TOO_LOW", `Only a member with the role ${wanted.toLowerCase()} can do this.`);
}

/** @throws 403 when the member stands above whoever calls; 404 when there is none. */
async function assertMayChange(
  client: Client<typeof OrganizationService>,
  organization: RouteOrganization,
  memberId: string,
): Promise<void> {
  const { member } = await client.getOrganizationMember({
    organizationId: organization.id,
    by: { case: "memberId", value: memberId },
  });
  if (member === undefined) throw createNotFoundProblem();
  assertMayGive(organization, MemberRole[member.role] as MemberRoleName);
}
