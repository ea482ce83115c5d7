import { timestampDate, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type {
  DirectoryService,
  OrganizationMemberState,
  OrganizationState,
} from "@cellway/gen/cellway/directory/v1/directory";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { toInviteStatusName, toRoleName, toStatusName } from "../convert.js";
import { createSlugMismatchError } from "../errors.js";
import { controlRoutesOf } from "../feed/control-routes.js";
import {
  deleteMapping,
  findMappings,
  type MappingState,
  type MemberMappingState,
  updateMapping,
  upsertMemberMappings,
} from "../store/organization-mapping.js";

/** SyncOrganization. That the organization lives in the calling cell was checked before. */
export function syncOrganization(context: ServiceContext): MethodImpl<typeof DirectoryService.method.syncOrganization> {
  return async (req) => {
    await context.database.transaction(async (manager) => {
      const [mapping] = await findMappings(manager, [req.organizationId]);
      if (req.organizationDeleted) return deleteMapping(manager, req.organizationId);
      // Deleted meanwhile: there is nothing to keep up to date.
      if (mapping === undefined) return;
      if (req.organization !== undefined) {
        if (req.organization.slug !== mapping.slug)
          throw createSlugMismatchError(req.organizationId, req.organization.slug);
        await updateMapping(manager, toMappingState(req.organizationId, req.organization));
      }
      if (req.members.length > 0)
        await upsertMemberMappings(manager, req.organizationId, req.members.map(toMemberState));
    });
    if (req.organizationDeleted) await controlRoutesOf(context).catchUp();
    return { syncedAt: timestampFromMs(context.now()) };
  };
}

function toMappingState(organizationId: string, state: OrganizationState): MappingState {
  return {
    organizationId,
    slug: state.slug,
    name: state.name,
    status: toStatusName(state.status),
    createdAt: state.createdAt === undefined ? new Date() : timestampDate(state.createdAt),
    version: state.version,
  };
}

function toMemberState(member: OrganizationMemberState): MemberMappingState {
  return {
    memberId: member.memberId,
    userId: member.userId ?? null,
    role: toRoleName(member.role),
    inviteStatus: toInviteStatusName(member.inviteStatus),
    version: member.version,
    isRemoved: member.isRemoved,
  };
}
