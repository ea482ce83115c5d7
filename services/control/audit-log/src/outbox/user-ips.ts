import { timestampDate } from "@bufbuild/protobuf/wkt";
import { UserIpReplicaSchema } from "@cellway/gen/cellway/audit/v1/records";
import type { ServiceContext } from "@cellway/host";
import { type OutboxReceiver, receiveMessages } from "@cellway/outbox";
import { upsertUserIp } from "../store/user-ip.js";

/** Keeps where cells say users came from. */
export function takeUserIps({ database }: ServiceContext): OutboxReceiver {
  return receiveMessages(UserIpReplicaSchema, async ({ shardId, objectId, version, content, sender }) => {
    const { firstSeenAt, lastSeenAt } = content ?? {};
    const isSeen = content !== undefined && firstSeenAt !== undefined && lastSeenAt !== undefined;
    await upsertUserIp(database, {
      cellName: sender,
      recordId: objectId,
      userId: shardId,
      version,
      seen: isSeen
        ? {
            ipAddress: content.ipAddress,
            countryCode: content.countryCode,
            firstSeenAt: timestampDate(firstSeenAt),
            lastSeenAt: timestampDate(lastSeenAt),
          }
        : undefined,
    });
  });
}
