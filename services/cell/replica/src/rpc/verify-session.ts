import { createHash } from "node:crypto";
import type { ReplicaService } from "@cellway/gen/cellway/replica/v1/replica";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { extendSession, findAcceptedSession } from "../store/session.js";

/** ReplicaService.VerifySession. */
export function verifySession(context: ServiceContext): MethodImpl<typeof ReplicaService.method.verifySession> {
  return async ({ cellName, token }) => {
    const tokenHash = createHash("sha256").update(token).digest();
    const now = new Date(context.now());
    const found = await findAcceptedSession(context.database, cellName, tokenHash, now);
    if (found === undefined) return {};
    const { sessionId, userId, isUseDue, isExtensionDue } = found;
    if (isExtensionDue) await extendSession(context.database, cellName, sessionId, now);
    return { verified: { userId, sessionId, isUseDue } };
  };
}
