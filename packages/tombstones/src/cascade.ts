import { type Queryable, rowsOf, type SiloDatabase, schemaOf, sqlStateOf } from "@cellway/database";
import type { Logger, Metrics } from "@cellway/telemetry";
import type { EntityManager } from "typeorm";
import type { Reference } from "./references.js";
import { reportTombstones } from "./status.js";

/** What bounds a run. */
export interface CascadeLimits {
  /** Rows that one transaction changes. */
  readonly batchRows: number;
  /** Batches, those that find nothing included. */
  readonly batchesMax: number;
  readonly timeMaxMs: number;
}

/** Of the task. A run that reaches one of them is gone on with by the next. */
const LIMITS: CascadeLimits = { batchRows: 200, batchesMax: 2_000, timeMaxMs: 20_000 };

/** Entries that are looked at in one go. */
const ENTRIES_AT_ONCE = 100;
/** Entries that are marked as seen in one statement. */
const SEEN_AT_ONCE = 10_000;

/** What cascades are carried out with. */
export interface CascadeOptions {
  readonly database: SiloDatabase;
  readonly references: readonly Reference[];
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly limits?: Partial<CascadeLimits>;
}

interface Entry {
  readonly id: string;
  readonly table_name: string;
  readonly column_name: string;
  readonly object_id: string;
  /** Whether every row that was written without seeing the tombstone is committed, and seen from now on. */
  readonly is_settled: boolean;
}

/**
 * Lets go of what refers to dead ids, until nothing is left or a limit is reached. Several processes may: each entry is
 * worked on by one at a time, each batch is a transaction of its own. An entry that fails waits, and stops no other.
 */
export async function cascadeTombstones(options: CascadeOptions): Promise<void> {
  const limits = { ...LIMITS, ...options.limits };
  const work = new Work(options, limits);
  const giveUpAt = performance.now() + limits.timeMaxMs;
  let batchesLeft = limits.batchesMax;
  await work.markSeen();
  for (let isBusy = true; isBusy; ) {
    isBusy = false;
    for (const id of await work.listDue()) {
      if (batchesLeft-- <= 0 || performance.now() > giveUpAt) return reportTombstones(options);
      if (await work.try(id)) isBusy = true;
    }
  }
  await reportTombstones(options);
}

class Work {
  private readonly table: string;
  private readonly schema: string;

  constructor(
    private readonly options: CascadeOptions,
    private readonly limits: CascadeLimits,
  ) {
    this.schema = schemaOf(options.database.localMode);
    this.table = `${this.schema}.tombstone_cascade`;
  }

  /** From the end of this statement on, everybody who writes sees the tombstones of the entries that it marks. */
  async markSeen(): Promise<void> {
    await this.options.database.query(
      `update ${this.table} set settled_after = pg_current_xact_id()
        where id in (select id from ${this.table} where settled_after is null order by id limit ${SEEN_AT_ONCE})`,
    );
  }

  /** Entries that can be worked on, of the references that this version of the code knows. */
  async listDue(): Promise<string[]> {
    const { database, references } = this.options;
    const rows = await database.query(
      `select id from ${this.table} where next_at <= clock_timestamp()
        and (table_name, column_name) in (select * from unnest($1::text[], $2::text[]))
        order by next_at, id limit ${ENTRIES_AT_ONCE}`,
      [references.map(({ table }) => table), references.map(({ column }) => column)],
    );
    return rowsOf<{ id: string }>(rows).map(({ id }) => id);
  }

  /** One batch of an entry. Answers false when another process works on it, or has finished it. */
  async try(id: string): Promise<boolean> {
    try {
      const done = await this.options.database.transaction((manager) => this.workOn(manager, id));
      if (done === undefined) return false;
      const { name, onDelete } = done.reference;
      if (done.found > 0) {
        const labels = { reference: name, on_delete: onDelete };
        this.options.metrics.count("cellway_tombstone_rows_total", labels, done.found);
      }
    } catch (error) {
      this.options.logger.warn({ entry: id, err: error }, "what refers to something deleted could not be let go of");
      await this.postpone(id, sqlStateOf(error) ?? (error instanceof Error ? error.name : "Error"));
    }
    return true;
  }

  private async workOn(
    manager: EntityManager,
    id: string,
  ): Promise<{ reference: Reference; found: number } | undefined> {
    const entry = await this.lock(manager, id);
    const reference = this.options.references.find(
      ({ table, column }) => table === entry?.table_name && column === entry.column_name,
    );
    if (entry === undefined || reference === undefined) return undefined;
    const found = await removeBatch(manager, reference, {
      schema: this.schema,
      objectId: entry.object_id,
      limit: this.limits.batchRows,
    });
    await manager.query(toNote(this.table, { found, isSettled: entry.is_settled }), [id]);
    return { reference, found };
  }

  /** The entry, unless another process works on it. What is asked of the settling precedes what is read of the rows. */
  private async lock(manager: EntityManager, id: string): Promise<Entry | undefined> {
    const rows = await manager.query(
      `select id, table_name, column_name, object_id,
          coalesce(settled_after < pg_snapshot_xmin(pg_current_snapshot()), false) as is_settled
        from ${this.table} where id = $1 for update skip locked`,
      [id],
    );
    return rowsOf<Entry>(rows)[0];
  }

  /** After a failure: for 2 s, then 4, and at most about 17 minutes. */
  private async postpone(id: string, error: string): Promise<void> {
    await this.options.database.query(
      `update ${this.table} set attempts = attempts + 1, error = $2,
          next_at = clock_timestamp() + power(2, least(attempts + 1, 10)) * interval '1 second'
        where id = $1`,
      [id, error],
    );
  }
}

/** What is written down of an entry after a batch. */
function toNote(table: string, { found, isSettled }: { found: number; isSettled: boolean }): string {
  if (found > 0) {
    return `update ${table} set row_count = row_count + ${found}, attempts = 0, error = '' where id = $1`;
  }
  if (isSettled) return `delete from ${table} where id = $1`;
  return `update ${table} set next_at = clock_timestamp() + interval '500 milliseconds' where id = $1`;
}

/** @returns how many rows it found; 0 when there are none. */
async function removeBatch(
  manager: EntityManager,
  reference: Reference,
  batch: { schema: string; objectId: string; limit: number },
): Promise<number> {
  if (reference.rule !== undefined) return reference.rule.remove(manager, batch.objectId, batch.limit);
  // The few rows of one id are found by the index on it, whatever the planner believes of a table that it has not analyzed.
  await manager.query("select set_config('enable_seqscan', 'off', true)");
  return changeRows(manager, reference, batch);
}

async function changeRows(
  db: Queryable,
  { table, column, keyColumns, onDelete }: Reference,
  batch: { schema: string; objectId: string; limit: number },
): Promise<number> {
  const name = `${batch.schema}.${quote(table)}`;
  const key = keyColumns.map(quote).join(", ");
  const change = onDelete === "cascade" ? `delete from ${name}` : `update ${name} set ${quote(column)} = null`;
  const sql = `with doomed as materialized (select ${key} from ${name} where ${quote(column)} = $1 limit $2 for update),
    changed as (${change} where (${key}) in (select * from doomed) returning 1)
    select count(*)::int as count from changed`;
  return rowsOf<{ count: number }>(await db.query(sql, [batch.objectId, batch.limit]))[0]?.count ?? 0;
}

/** Names come from declarations of entities. */
function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
