import type { UserService } from "@cellway/gen/cellway/user/v1/user";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { findUser } from "../store/user.js";
import { toUser } from "../user-message.js";

/** UserService.GetUser. */
export function getUser(context: ServiceContext): MethodImpl<typeof UserService.method.getUser> {
  return async (req) => {
    const found = await findUser(context.database, req.userId);
    return found === undefined ? {} : { user: toUser(found) };
  };
}
