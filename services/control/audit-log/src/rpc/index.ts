import type { AuditLogService } from "@cellway/gen/cellway/audit/v1/audit_log";
import type { ServiceContext } from "@cellway/host";
import type { ServiceImpl } from "@connectrpc/connect";
import { listAuditLogEntries } from "./list-audit-log-entries.js";
import { listUserAuditLogEntries } from "./list-user-audit-log-entries.js";
import { listUserIps } from "./list-user-ips.js";

/** All methods of the service. */
export function createAuditLogRpc(context: ServiceContext): ServiceImpl<typeof AuditLogService> {
  return {
    listAuditLogEntries: listAuditLogEntries(context),
    listUserAuditLogEntries: listUserAuditLogEntries(context),
    listUserIps: listUserIps(context),
  };
}
