import type {
  GetOrganizationMemberRequest,
  OrganizationService,
} from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { toOrganizationMember } from "../convert.js";
import { findMember, type MemberKey, withItsTeams } from "../store/organization-member.js";

/** GetOrganizationMember. */
export function getOrganizationMember(
  context: ServiceContext,
): MethodImpl<typeof OrganizationService.method.getOrganizationMember> {
  return async (req) => {
    const { manager } = context.database;
    const member = await findMember(manager, req.organizationId, readKey(req.by));
    return member === null ? {} : { member: toOrganizationMember(await withItsTeams(manager, member)) };
  };
}

function readKey(by: GetOrganizationMemberRequest["by"]): MemberKey {
  if (by.case === "userId") return { userId: by.value };
  if (by.case === "email") return { email: by.value };
  // The contract requires one of the three; no member has the id 0.
  return { memberId: by.value ?? "0" };
}
