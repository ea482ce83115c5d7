import type { SessionService } from "@cellway/gen/cellway/user/v1/session";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { toSession } from "../session-message.js";
import { findAcceptedSession, noteSessionUse } from "../store/session.js";
import { hashSecret, looksLikeSession } from "../token.js";

/** SessionService.VerifySession. */
export function verifySession(context: ServiceContext): MethodImpl<typeof SessionService.method.verifySession> {
  return async ({ token }) => {
    if (!looksLikeSession(token)) return {};
    const now = new Date(context.now());
    const found = await findAcceptedSession(context.database, hashSecret(token), now);
    if (found === undefined) return {};
    await noteSessionUse(context.database, found, now);
    return { verified: toSession(found) };
  };
}
