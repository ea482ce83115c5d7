import type { UserIpService } from "@cellway/gen/cellway/audit/v1/user_ip";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";

/** In which an address that is seen again is not written again. */
const QUIET_MS = 5 * 60 * 1000;

/** RecordUserIp. */
export function recordUserIp(context: ServiceContext): MethodImpl<typeof UserIpService.method.recordUserIp> {
  return async ({ userId, ipAddress, countryCode }) => {
    const nowMs = context.now();
    await context.database.query(
      `insert into cell.user_ip as known (user_id, ip_address, country_code, first_seen_at, last_seen_at)
        values ($1, host($2::inet), $3, $4, $4)
        on conflict (user_id, ip_address) do update set last_seen_at = excluded.last_seen_at,
          country_code = case excluded.country_code when '' then known.country_code else excluded.country_code end
        where known.last_seen_at < $5`,
      [userId, ipAddress, countryCode, new Date(nowMs), new Date(nowMs - QUIET_MS)],
    );
    return {};
  };
}
