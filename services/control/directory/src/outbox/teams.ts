import { TeamReplicaSchema } from "@cellway/gen/cellway/directory/v1/replicas";
import type { ServiceContext } from "@cellway/host";
import { type OutboxReceiver, receiveMessages } from "@cellway/outbox";
import { replicateTeamMapping } from "../store/team-mapping.js";

/** Keeps the teams of organizations, for lists over all cells. */
export function takeTeams(context: ServiceContext): OutboxReceiver {
  return receiveMessages(TeamReplicaSchema, ({ shardId, objectId, version, content }) =>
    replicateTeamMapping(context.database, {
      teamId: objectId,
      organizationId: shardId,
      replicaVersion: version,
      team: content,
    }),
  );
}
