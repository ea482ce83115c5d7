import type { UserService } from "@cellway/gen/cellway/user/v1/user";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { findUsers } from "../store/user.js";
import { toUser } from "../user-message.js";

/** UserService.BatchGetUsers. */
export function batchGetUsers(context: ServiceContext): MethodImpl<typeof UserService.method.batchGetUsers> {
  return async (req) => {
    const users = await findUsers(context.database, req.userIds);
    return { users: users.map(toUser) };
  };
}
