import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type Session, SessionSchema } from "@cellway/gen/cellway/user/v1/session";
import type { SessionRow } from "./entities/session.js";

/** A session as callers see it: without what could be used. */
export function toSession(row: SessionRow): Session {
  return create(SessionSchema, {
    id: row.id,
    userId: row.userId,
    createdAt: timestampFromDate(row.createdAt),
    lastUsedAt: timestampFromDate(row.lastUsedAt),
    expiresAt: timestampFromDate(row.expiresAt),
    idleExpiresAt: timestampFromDate(row.idleExpiresAt),
    ipAddress: row.ipAddress ?? "",
    userAgent: row.userAgent,
  });
}
