import type { UserService } from "@cellway/gen/cellway/user/v1/user";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { optionalTimestamp } from "../api-token-message.js";
import { findAcceptedToken, touchToken } from "../store/api-token.js";
import { hashSecret, looksLikeApiToken } from "../token.js";

/** A use is noted at most this often. */
const TOUCH_INTERVAL_MS = 60_000;

/** UserService.VerifyApiToken. */
export function verifyApiToken(context: ServiceContext): MethodImpl<typeof UserService.method.verifyApiToken> {
  return async (req) => {
    if (!looksLikeApiToken(req.token)) return {};
    const nowMs = context.now();
    const found = await findAcceptedToken(context.database, hashSecret(req.token), new Date(nowMs));
    if (found === undefined) return {};
    const notBeforeMs = nowMs - TOUCH_INTERVAL_MS;
    if ((found.lastUsedAt?.getTime() ?? 0) < notBeforeMs) {
      await touchToken(context.database, found.id, new Date(nowMs), new Date(notBeforeMs));
    }
    const { id: tokenId, userId, scopes } = found;
    return { verified: { userId, tokenId, scopes, ...optionalTimestamp("expiresAt", found.expiresAt) } };
  };
}
