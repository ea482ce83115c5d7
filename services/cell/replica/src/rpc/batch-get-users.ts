import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ReplicaService } from "@cellway/gen/cellway/replica/v1/replica";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { findUsers } from "../store/user.js";

/** ReplicaService.BatchGetUsers. */
export function batchGetUsers(context: ServiceContext): MethodImpl<typeof ReplicaService.method.batchGetUsers> {
  return async ({ cellName, userIds }) => {
    const rows = await findUsers(context.database, cellName, userIds);
    return { users: rows.map(({ updatedAt, ...user }) => ({ ...user, asOf: timestampFromDate(updatedAt) })) };
  };
}
