import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { UserService } from "@cellway/gen/cellway/user/v1/user";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { toApiToken } from "../api-token-message.js";
import { ApiTokenRow } from "../entities/api-token.js";
import {
  API_TOKENS_MAX,
  createApiTokenLimitError,
  createInvalidFieldError,
  createUserInactiveError,
} from "../errors.js";
import { lockUserOrThrow } from "../store/user.js";
import { API_TOKEN_PREFIX, createSecret, hashSecret } from "../token.js";

/** UserService.CreateApiToken. */
export function createApiToken(context: ServiceContext): MethodImpl<typeof UserService.method.createApiToken> {
  return async (req) => {
    const expiresAt = req.expiresAt === undefined ? null : timestampDate(req.expiresAt);
    if (expiresAt !== null && expiresAt.getTime() <= context.now())
      throw createInvalidFieldError("expires_at", "must be in the future");
    const token = API_TOKEN_PREFIX + createSecret();
    const row = await context.database.transaction(async (manager) => {
      const user = await lockUserOrThrow(manager, req.userId);
      if (!user.isActive) throw createUserInactiveError(user.id);
      const tokens = manager.getRepository(ApiTokenRow);
      if ((await tokens.countBy({ userId: user.id })) >= API_TOKENS_MAX) throw createApiTokenLimitError();
      return tokens.save(
        tokens.create({
          userId: user.id,
          name: req.name,
          tokenHash: hashSecret(token),
          lastCharacters: token.slice(-4),
          scopes: req.scopes.toSorted(),
          expiresAt,
          lastUsedAt: null,
          createdAt: new Date(context.now()),
        }),
      );
    });
    return { token, apiToken: toApiToken(row) };
  };
}
