import { OrganizationReplicaSchema } from "@cellway/gen/cellway/directory/v1/replicas";
import type { ServiceContext } from "@cellway/host";
import { type OutboxReceiver, receiveMessages } from "@cellway/outbox";
import { toStatusName } from "../convert.js";
import { createMappingMissingError } from "../errors.js";
import { controlRoutesOf } from "../feed/control-routes.js";
import { deleteMapping, replicateMapping } from "../store/organization-mapping.js";

/** Keeps what lists show of organizations; one that is gone gives up its mapping, its members and its slugs. */
export function takeOrganizations(context: ServiceContext): OutboxReceiver {
  return receiveMessages(OrganizationReplicaSchema, async ({ shardId, version, content }) => {
    if (content === undefined) {
      await context.database.transaction((manager) => deleteMapping(manager, shardId));
      return controlRoutesOf(context).catchUp();
    }
    const isMapped = await replicateMapping(context.database, {
      organizationId: shardId,
      name: content.name,
      status: toStatusName(content.status),
      version: content.version,
      replicaVersion: version,
    });
    if (!isMapped) throw createMappingMissingError(shardId);
  });
}
