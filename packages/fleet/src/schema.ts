import { type MigrationSet, readTemplateSet, rowsOf, type SqlQuery } from "@cellway/database";
import type { LocalMode } from "@cellway/silo";
import { GONE_AFTER_MS } from "./limits.js";

/** The migrations of one side's processes and uses. */
export function fleetMigrations(localMode: LocalMode): Promise<MigrationSet> {
  return readTemplateSet(new URL("../migrations/", import.meta.url), { service: "fleet", localMode, lock: "0" });
}

/** A release that runs. */
export interface LiveVersion {
  /** `0.2.0`; `unknown` for a process that was not told. */
  readonly version: string;
  readonly processes: number;
  /** Since the last of them was heard, in milliseconds. */
  readonly silentMs: number;
}

/**
 * The releases of which a process serves from this database, by name. A process that was killed counts for a minute more.
 * Empty where the table does not exist yet: releases before 0.2.0 did not report, and nothing is known of them.
 *
 * @param schema - `control` or `cell`; in a monolith both know the same.
 */
export async function listLiveVersions(query: SqlQuery, schema: "control" | "cell"): Promise<LiveVersion[]> {
  const [known] = rowsOf<{ oid: string | null }>(
    await query("select to_regclass($1)::text as oid", [`${schema}.process`]),
  );
  if (known?.oid == null) return [];
  const sql = `select version, count(*)::int as processes,
      (extract(epoch from clock_timestamp() - max(seen_at)) * 1000)::float8 as "silentMs"
    from ${schema}.process
    where stopped_at is null and seen_at > clock_timestamp() - $1 * interval '1 millisecond'
    group by version order by version`;
  return rowsOf<LiveVersion>(await query(sql, [GONE_AFTER_MS]));
}
