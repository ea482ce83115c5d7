import { ApiTokenReplicaSchema, UserReplicaSchema } from "@cellway/gen/cellway/user/v1/replicas";
import type { ServiceContext } from "@cellway/host";
import { type OutboxReceiver, receiveMessages } from "@cellway/outbox";
import { API_TOKEN_REPLICA } from "../store/api-token.js";
import { upsertReplica } from "../store/upsert-replica.js";
import { USER_REPLICA } from "../store/user.js";
import { toDate } from "./to-date.js";

/** Keeps what a cell knows of its members. */
export function takeUsers({ database }: ServiceContext): OutboxReceiver {
  return receiveMessages(UserReplicaSchema, ({ recipient, objectId, version, content }) =>
    upsertReplica(database, USER_REPLICA, {
      cellName: recipient,
      objectId,
      version,
      content: content && [content.username, content.displayName, content.isActive, content.avatarUrl],
    }),
  );
}

/** Keeps the tokens of a cell's members. */
export function takeApiTokens({ database }: ServiceContext): OutboxReceiver {
  return receiveMessages(ApiTokenReplicaSchema, ({ recipient, objectId, version, content }) =>
    upsertReplica(database, API_TOKEN_REPLICA, {
      cellName: recipient,
      objectId,
      version,
      content: content && [content.userId, content.tokenHash, content.scopes, toDate(content.expiresAt)],
    }),
  );
}
