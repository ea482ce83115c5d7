import type { AuditLogService } from "@cellway/gen/cellway/audit/v1/audit_log";
import type { ServiceContext } from "@cellway/host";
import { cutPage, readPage } from "@cellway/rpc";
import type { MethodImpl } from "@connectrpc/connect";
import { toAuditLogEntry } from "../convert.js";
import { listEntries } from "../store/audit-log-entry.js";

/** ListAuditLogEntries. */
export function listAuditLogEntries({
  database,
}: ServiceContext): MethodImpl<typeof AuditLogService.method.listAuditLogEntries> {
  return async ({ organizationId, ...page }) => {
    const { limit, afterId: beforeId } = readPage(page);
    const rows = await listEntries(database, { organizationId }, { beforeId, limit });
    const { items, nextPageToken } = cutPage(rows, limit, (row) => row.id);
    return { entries: items.map(toAuditLogEntry), nextPageToken };
  };
}
