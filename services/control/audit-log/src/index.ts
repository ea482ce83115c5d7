import { AuditLogService } from "@cellway/gen/cellway/audit/v1/audit_log";
import { implementContract, type ServiceModule } from "@cellway/host";
import { AuditLogEntryRow } from "./entities/audit-log-entry.js";
import { UserIpRow } from "./entities/user-ip.js";
import { takeAuditLogRecords } from "./outbox/audit-log-records.js";
import { takeUserIps } from "./outbox/user-ips.js";
import { createAuditLogRpc } from "./rpc/index.js";

/** What was done in organizations, and where users came from, over all cells. */
export const auditLogModule: ServiceModule = {
  name: "audit_log",
  localMode: "CONTROL",
  entities: [AuditLogEntryRow, UserIpRow],
  migrations: new URL("../migrations/", import.meta.url),
  contracts: (context) => [implementContract(AuditLogService, createAuditLogRpc(context))],
  tasks: [],
  routes: [],
  receives: (context) => [takeAuditLogRecords(context), takeUserIps(context)],
};
