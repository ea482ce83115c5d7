import { rowsOf, type SiloDatabase, schemaOf } from "@cellway/database";
import { DROP_BATCH_ROWS, KEPT_MS } from "./limits.js";

/** Forgets what is older than a day, in batches. */
export async function dropExpiredAnswers(database: SiloDatabase, nowMs: number): Promise<void> {
  const table = `${schemaOf(database.localMode)}.idempotency_key`;
  const sql = `with old as (
      select actor, key_hash from ${table} where created_at <= $1 order by created_at limit $2 for update skip locked
    ), dropped as (
      delete from ${table} as known using old
      where known.actor = old.actor and known.key_hash = old.key_hash returning 1
    ) select count(*)::int as count from dropped`;
  let count: number;
  do {
    const rows = await database.query(sql, [new Date(nowMs - KEPT_MS), DROP_BATCH_ROWS]);
    count = rowsOf<{ count: number }>(rows)[0]?.count ?? 0;
  } while (count === DROP_BATCH_ROWS);
}
