import type { SessionService } from "@cellway/gen/cellway/user/v1/session";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { SessionRow } from "../entities/session.js";

/** SessionService.RevokeSession. */
export function revokeSession(context: ServiceContext): MethodImpl<typeof SessionService.method.revokeSession> {
  return async ({ userId, sessionId }) => {
    await context.database.getRepository(SessionRow).delete({ id: sessionId, userId });
    return {};
  };
}
