import type { Queryable, SiloDatabase } from "@cellway/database";
import { IsNull, LessThan, Not } from "typeorm";
import { UserIpRow } from "../entities/user-ip.js";

/** What a cell says of an address of a user; `seen` is undefined when it has removed it. */
export interface UserIpState {
  readonly cellName: string;
  readonly recordId: string;
  readonly userId: string;
  readonly version: string;
  readonly seen:
    | {
        readonly ipAddress: string;
        readonly countryCode: string;
        readonly firstSeenAt: Date;
        readonly lastSeenAt: Date;
      }
    | undefined;
}

/** Takes over a newer state; an older one changes nothing. */
export async function upsertUserIp(db: Queryable, { seen, ...state }: UserIpState): Promise<void> {
  await db.query(
    `insert into control.user_ip as current
        (cell_name, record_id, user_id, version, ip_address, country_code, first_seen_at, last_seen_at)
      values ($1, $2, $3, $4, $5, $6, $7, $8)
      on conflict (cell_name, record_id) do update set version = excluded.version, ip_address = excluded.ip_address,
        country_code = excluded.country_code, first_seen_at = excluded.first_seen_at,
        last_seen_at = excluded.last_seen_at, report_number = default
      where current.version < excluded.version and current.user_id = excluded.user_id`,
    [
      state.cellName,
      state.recordId,
      state.userId,
      state.version,
      seen?.ipAddress ?? null,
      seen?.countryCode ?? "",
      seen?.firstSeenAt ?? null,
      seen?.lastSeenAt ?? null,
    ],
  );
}

/**
 * Addresses of a user, the one that was reported last first, at most `limit + 1`.
 *
 * @param beforeNumber - only what was reported before; `0` for the first page.
 */
export function listUserIps(
  database: SiloDatabase,
  userId: string,
  { beforeNumber, limit }: { beforeNumber: string; limit: number },
): Promise<UserIpRow[]> {
  const page = beforeNumber === "0" ? {} : { reportNumber: LessThan(beforeNumber) };
  return database
    .getRepository(UserIpRow)
    .find({ where: { userId, ipAddress: Not(IsNull()), ...page }, order: { reportNumber: "DESC" }, take: limit + 1 });
}
