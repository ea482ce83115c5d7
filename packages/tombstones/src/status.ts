import { type Queryable, rowsOf, type SiloDatabase, schemaOf } from "@cellway/database";
import type { LocalMode } from "@cellway/silo";
import type { Metrics } from "@cellway/telemetry";
import type { Reference } from "./references.js";

/** Entries that are counted; more are `PENDING_MAX`. */
const PENDING_MAX = 100_000;

/** What a reference has still to let go of. */
export interface ReferenceStatus {
  /** `organization_member.user_id`. */
  readonly reference: string;
  /** `control.user`. */
  readonly target: string;
  /** Dead ids of which it is not certain yet that nothing refers to them; at most 100,000 over all references. */
  readonly pending: number;
  /** Those of them that failed last time. */
  readonly failing: number;
  /** One of their errors; empty when none fails. */
  readonly error: string;
  /** Rows let go of so far, for the ids that are pending. */
  readonly rows: number;
  /** Since when the oldest waits, in seconds. */
  readonly oldestSeconds: number;
}

/** The work that deletions of the other side have left on this one, by reference; empty when there is none. */
export async function readTombstoneStatus(db: Queryable, localMode: LocalMode): Promise<ReferenceStatus[]> {
  const rows = await db.query(
    `select table_name || '.' || column_name as reference, target, count(*)::int as pending,
        (count(*) filter (where attempts > 0))::int as failing, coalesce(max(error), '') as error,
        sum(row_count)::float8 as rows,
        greatest(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8 as "oldestSeconds"
      from (select * from ${schemaOf(localMode)}.tombstone_cascade order by id limit ${PENDING_MAX}) c
      group by table_name, column_name, target order by 1`,
  );
  return rowsOf<ReferenceStatus>(rows);
}

/** Sets the gauges of all references. */
export async function reportTombstones(options: {
  readonly database: SiloDatabase;
  readonly references: readonly Reference[];
  readonly metrics: Metrics;
}): Promise<void> {
  const { database, references, metrics } = options;
  const status = await readTombstoneStatus(database, database.localMode);
  for (const { name } of references) {
    const own = status.find(({ reference }) => reference === name);
    metrics.set("cellway_tombstone_pending", { reference: name }, own?.pending ?? 0);
    metrics.set("cellway_tombstone_failing", { reference: name }, own?.failing ?? 0);
    metrics.set("cellway_tombstone_oldest_seconds", { reference: name }, own?.oldestSeconds ?? 0);
  }
}
