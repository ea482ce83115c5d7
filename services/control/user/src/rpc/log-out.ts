import type { SessionService } from "@cellway/gen/cellway/user/v1/session";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { SessionRow } from "../entities/session.js";
import { hashSecret, looksLikeSession } from "../token.js";

/** SessionService.LogOut. */
export function logOut(context: ServiceContext): MethodImpl<typeof SessionService.method.logOut> {
  return async ({ token }) => {
    if (looksLikeSession(token)) {
      await context.database.getRepository(SessionRow).delete({ tokenHash: hashSecret(token) });
    }
    return {};
  };
}
