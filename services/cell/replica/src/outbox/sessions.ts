import { SessionReplicaSchema } from "@cellway/gen/cellway/user/v1/replicas";
import type { ServiceContext } from "@cellway/host";
import { type OutboxReceiver, receiveMessages } from "@cellway/outbox";
import { SESSION_REPLICA } from "../store/session.js";
import { upsertReplica } from "../store/upsert-replica.js";
import { toDate } from "./to-date.js";

/** Keeps the sessions of a cell's members. */
export function takeSessions({ database }: ServiceContext): OutboxReceiver {
  return receiveMessages(SessionReplicaSchema, ({ recipient, objectId, version, content }) =>
    upsertReplica(database, SESSION_REPLICA, {
      cellName: recipient,
      objectId,
      version,
      content: content && [
        content.userId,
        content.tokenHash,
        toDate(content.expiresAt),
        toDate(content.idleExpiresAt),
        content.idleTimeoutSeconds,
      ],
    }),
  );
}
