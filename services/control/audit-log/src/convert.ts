import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type AuditLogEntry,
  AuditLogEntrySchema,
  type UserIp,
  UserIpSchema,
} from "@cellway/gen/cellway/audit/v1/audit_log";
import type { AuditLogEntryRow } from "./entities/audit-log-entry.js";
import type { UserIpRow } from "./entities/user-ip.js";

/** An entry as the contract shows it. */
export function toAuditLogEntry(row: AuditLogEntryRow): AuditLogEntry {
  const { id, organizationId, cellName, event, targetId, details } = row;
  return create(AuditLogEntrySchema, {
    id,
    organizationId,
    cellName,
    event,
    targetId,
    details,
    occurredAt: timestampFromDate(row.occurredAt),
    ...(row.actorKind === null
      ? {}
      : {
          actor: {
            kind: row.actorKind,
            tokenId: row.actorTokenId,
            ipAddress: row.actorIpAddress,
            ...(row.actorUserId === null ? {} : { userId: row.actorUserId }),
          },
        }),
  });
}

/** An address as the contract shows it. */
export function toUserIp({ ipAddress, countryCode, cellName, firstSeenAt, lastSeenAt }: UserIpRow): UserIp {
  return create(UserIpSchema, {
    ipAddress: ipAddress ?? "",
    countryCode,
    cellName,
    ...(firstSeenAt === null ? {} : { firstSeenAt: timestampFromDate(firstSeenAt) }),
    ...(lastSeenAt === null ? {} : { lastSeenAt: timestampFromDate(lastSeenAt) }),
  });
}
