import type { UserService } from "@cellway/gen/cellway/user/v1/user";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { ApiTokenRow } from "../entities/api-token.js";

/** UserService.RevokeApiToken. */
export function revokeApiToken(context: ServiceContext): MethodImpl<typeof UserService.method.revokeApiToken> {
  return async ({ userId, tokenId }) => {
    await context.database.getRepository(ApiTokenRow).delete({ id: tokenId, userId });
    return {};
  };
}
