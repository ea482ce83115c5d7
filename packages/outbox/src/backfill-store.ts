import { type Queryable, rowsOf } from "@cellway/database";
import type { BackfillTable } from "./backfill.js";

/** How far one table is. */
export interface BackfillRow {
  readonly category: number;
  readonly version: number;
  readonly is_done: boolean;
  readonly is_waiting: boolean;
  readonly done_count: string;
  readonly total_count: string;
  readonly rows_per_second: number | null;
  readonly elapsed_ms: number | null;
}

/** The progress of replicating whole tables anew. Several processes may use it at once; each batch is written by one. */
export class BackfillStore {
  constructor(
    readonly db: Queryable,
    readonly schema: string,
  ) {}

  /** Notes tables that are new to this database. */
  async adopt(tables: readonly BackfillTable[]): Promise<void> {
    const sql = `select ${this.schema}.outbox_backfill_adopt($1, $2, $3)`;
    for (const { table, category, version } of tables) await this.db.query(sql, [table, category, version]);
  }

  /** Begins where the code's version is greater than any before. @returns the tables that it is of */
  async beginRaised(tables: readonly BackfillTable[]): Promise<BackfillTable[]> {
    const sql = `select category, version from ${this.schema}.outbox_backfill`;
    const known = rowsOf<{ category: number; version: number }>(await this.db.query(sql));
    const begun: BackfillTable[] = [];
    for (const table of tables) {
      const row = known.find((candidate) => candidate.category === table.category);
      if (row !== undefined && row.version < table.version && (await this.begin(table, false))) begun.push(table);
    }
    return begun;
  }

  /** Begins when the version has grown, or `isWanted`; false when there is no need or it is under way. */
  async begin({ table, category, version }: BackfillTable, isWanted: boolean): Promise<boolean> {
    const sql = `select ${this.schema}.outbox_backfill_begin($1, $2, $3, $4) as begun`;
    const [row] = rowsOf<{ begun: boolean }>(await this.db.query(sql, [table, category, version, isWanted]));
    return row?.begun === true;
  }

  /** How many messages are written in a second; null for what the code says. */
  async setRate(category: number, perSecond: number | null): Promise<void> {
    const sql = `update ${this.schema}.outbox_backfill set rows_per_second = $2 where category = $1`;
    await this.db.query(sql, [category, perSecond]);
  }

  /** The tables that are not done, as far as this version of the code may do it. */
  async listOpen(tables: readonly BackfillTable[]): Promise<{ table: BackfillTable; rate: number | null }[]> {
    const sql = `select category, version, rows_per_second as rate from ${this.schema}.outbox_backfill where not is_done`;
    const open = rowsOf<{ category: number; version: number; rate: number | null }>(await this.db.query(sql));
    return tables.flatMap((table) => {
      const row = open.find((candidate) => candidate.category === table.category);
      // What a newer version began would be told as this one knows it.
      return row === undefined || row.version > table.version ? [] : [{ table, rate: row.rate }];
    });
  }

  /** Writes the next rows. `NONE` when another process does, or nothing is to be done. */
  async step(
    { table, category, version }: BackfillTable,
    { batchMax, depthMax }: { batchMax: number; depthMax: number },
  ): Promise<{ readonly messages: number; readonly state: "NONE" | "WAITING" | "RUNNING" | "DONE" }> {
    const sql = `select messages, state from ${this.schema}.outbox_backfill_step($1, $2, $3, $4, $5)`;
    const result = await this.db.query(sql, [table, category, version, batchMax, depthMax]);
    const [row] = rowsOf<Awaited<ReturnType<BackfillStore["step"]>>>(result);
    return row ?? { messages: 0, state: "NONE" };
  }

  /** How far every table is, by category. */
  async list(): Promise<BackfillRow[]> {
    const sql = `select category, version, is_done, is_waiting, done_count, total_count, rows_per_second,
        (extract(epoch from coalesce(finished_at, clock_timestamp()) - started_at) * 1000)::float8 as elapsed_ms
      from ${this.schema}.outbox_backfill order by category`;
    return rowsOf(await this.db.query(sql));
  }
}
