import type { UserService } from "@cellway/gen/cellway/user/v1/user";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { createUserNotFoundError } from "../errors.js";
import { rotateSessionNonce } from "../store/user.js";

/** UserService.FlushSessions. */
export function flushSessions(context: ServiceContext): MethodImpl<typeof UserService.method.flushSessions> {
  return async ({ userId }) => {
    const sessionVersion = await rotateSessionNonce(context.database, userId);
    if (sessionVersion === undefined) throw createUserNotFoundError(userId);
    return { sessionVersion };
  };
}
