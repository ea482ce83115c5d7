import { isForeignKeyViolation } from "@cellway/database";
import { OrganizationMemberReplicaSchema } from "@cellway/gen/cellway/directory/v1/replicas";
import type { ServiceContext } from "@cellway/host";
import { type OutboxReceiver, receiveMessages } from "@cellway/outbox";
import { toInviteStatusName, toRoleName } from "../convert.js";
import { createMappingMissingError } from "../errors.js";
import { removeMemberMapping, replicateMemberMapping } from "../store/organization-member-mapping.js";

/** Keeps who is in which organization, for the lists of users and the cells that a user is in. */
export function takeOrganizationMembers(context: ServiceContext): OutboxReceiver {
  return receiveMessages(OrganizationMemberReplicaSchema, async ({ shardId, objectId, version, content }) => {
    const key = { organizationId: shardId, memberId: objectId, replicaVersion: version };
    if (content === undefined) return removeMemberMapping(context.database, key);
    const state = {
      ...key,
      userId: content.userId ?? null,
      role: toRoleName(content.role),
      inviteStatus: toInviteStatusName(content.inviteStatus),
      version: content.version,
      teamIds: content.teamIds,
    };
    await replicateMemberMapping(context.database, state).catch((error: unknown) => {
      throw isForeignKeyViolation(error) ? createMappingMissingError(shardId, error) : error;
    });
  });
}
