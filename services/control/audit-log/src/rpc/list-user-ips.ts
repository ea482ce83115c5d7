import type { AuditLogService } from "@cellway/gen/cellway/audit/v1/audit_log";
import type { ServiceContext } from "@cellway/host";
import { cutPage, readPage } from "@cellway/rpc";
import type { MethodImpl } from "@connectrpc/connect";
import { toUserIp } from "../convert.js";
import { listUserIps as findUserIps } from "../store/user-ip.js";

/** ListUserIps. */
export function listUserIps({ database }: ServiceContext): MethodImpl<typeof AuditLogService.method.listUserIps> {
  return async ({ userId, ...page }) => {
    const { limit, afterId: beforeNumber } = readPage(page);
    const rows = await findUserIps(database, userId, { beforeNumber, limit });
    const { items, nextPageToken } = cutPage(rows, limit, (row) => row.reportNumber);
    return { ips: items.map(toUserIp), nextPageToken };
  };
}
