import type { UserService } from "@cellway/gen/cellway/user/v1/user";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { findUserByUsername } from "../store/user.js";
import { toUser } from "../user-message.js";

/** UserService.GetUserByUsername. */
export function getUserByUsername(context: ServiceContext): MethodImpl<typeof UserService.method.getUserByUsername> {
  return async (req) => {
    const found = await findUserByUsername(context.database, req.username);
    return found === undefined ? {} : { user: toUser(found) };
  };
}
