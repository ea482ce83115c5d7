import { createHash } from "node:crypto";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ReplicaService } from "@cellway/gen/cellway/replica/v1/replica";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { findAcceptedToken } from "../store/api-token.js";

/** ReplicaService.VerifyApiToken. */
export function verifyApiToken(context: ServiceContext): MethodImpl<typeof ReplicaService.method.verifyApiToken> {
  return async ({ cellName, token }) => {
    const tokenHash = createHash("sha256").update(token).digest();
    const found = await findAcceptedToken(context.database, cellName, tokenHash, new Date(context.now()));
    if (found === undefined) return {};
    const { id: tokenId, userId, scopes, expiresAt } = found;
    return {
      verified: {
        userId,
        tokenId,
        scopes,
        ...(expiresAt === null ? {} : { expiresAt: timestampFromDate(expiresAt) }),
      },
    };
  };
}
