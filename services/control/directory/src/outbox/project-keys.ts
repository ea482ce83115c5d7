import { isUniqueViolation } from "@cellway/database";
import { ProjectKeyReplicaSchema } from "@cellway/gen/cellway/directory/v1/replicas";
import type { ServiceContext } from "@cellway/host";
import { type OutboxReceiver, receiveMessages } from "@cellway/outbox";
import { createPublicKeyTakenError } from "../errors.js";
import { upsertProjectKeyMapping } from "../store/project-key-mapping.js";

/** Keeps where the keys of projects lead. A public key that another project has is refused: nobody's data goes astray. */
export function takeProjectKeys(context: ServiceContext): OutboxReceiver {
  return receiveMessages(ProjectKeyReplicaSchema, async ({ shardId, objectId, version, content }) => {
    try {
      await upsertProjectKeyMapping(context.database, {
        projectKeyId: objectId,
        organizationId: shardId,
        version,
        key: content,
      });
    } catch (error) {
      if (isUniqueViolation(error)) throw createPublicKeyTakenError(objectId, error);
      throw error;
    }
  });
}
