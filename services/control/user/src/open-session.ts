import type { MessageInitShape } from "@bufbuild/protobuf";
import type { NewSessionSchema, SessionClient } from "@cellway/gen/cellway/user/v1/session";
import type { EntityManager } from "typeorm";
import type { SessionTimeouts } from "./session-limits.js";
import { toSession } from "./session-message.js";
import { insertSession } from "./store/session.js";
import { createSecret, hashSecret, SESSION_PREFIX } from "./token.js";

/** Makes a session of a user, whose row is locked. Its secret is in the answer and nowhere else. */
export async function openSession(
  manager: EntityManager,
  wanted: { userId: string; client: SessionClient | undefined; timeouts: SessionTimeouts; now: Date },
): Promise<MessageInitShape<typeof NewSessionSchema>> {
  const { userId, client, timeouts, now } = wanted;
  const token = SESSION_PREFIX + createSecret();
  const row = await insertSession(manager, {
    userId,
    tokenHash: hashSecret(token),
    timeouts,
    ipAddress: client?.ipAddress || null,
    userAgent: client?.userAgent ?? "",
    now,
  });
  return { token, session: toSession(row) };
}
