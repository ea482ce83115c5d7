import { setTimeout as sleep } from "node:timers/promises";
import { type Queryable, rowsOf } from "@cellway/database";
import { createRpcError } from "@cellway/rpc";
import type { Logger, Metrics } from "@cellway/telemetry";
import { Code } from "@connectrpc/connect";

/** Counting takes no more than this part of the time, however much there is to count. */
const COUNTING_SHARE = 1 / 50;

/** What {@link Depth} works with. */
export interface DepthOptions {
  readonly database: Queryable;
  readonly schema: string;
  /** Whether this process counts; others read what it counted. */
  readonly isOwner: () => boolean;
  /** Rows of one destination beyond which it is full. */
  readonly depthMax: number;
  /** How often, in milliseconds. */
  readonly depthMs: number;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Knows for which destinations too much waits. Never asked of the database by those who want to know. */
export class Depth {
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;
  private full: ReadonlyMap<string, number> = new Map();

  constructor(private readonly options: DepthOptions) {}

  /** Destinations with more rows than there should be. */
  get fullDestinations(): string[] {
    return [...this.full.keys()];
  }

  /** @throws ConnectError RESOURCE_EXHAUSTED, OUTBOX_FULL when too much waits for the destination; for any, when left out. */
  assertRoom(destination?: string): void {
    const name = destination ?? this.fullDestinations[0];
    const rows = name === undefined ? undefined : this.full.get(name);
    if (name === undefined || rows === undefined) return;
    throw createRpcError(Code.ResourceExhausted, "OUTBOX_FULL", `Too much still waits to be told to ${name}.`, {
      metadata: { destination: name, rows: String(rows) },
    });
  }

  start(): void {
    this.running ??= this.run();
  }

  /** Waits for no query. */
  stop(): void {
    this.stopping.abort();
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      const begunAt = performance.now();
      // What cannot be known now is as it was.
      await this.look().catch(() => undefined);
      const pauseMs = Math.max(this.options.depthMs, (performance.now() - begunAt) / COUNTING_SHARE);
      await sleep(pauseMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
    }
  }

  private async look(): Promise<void> {
    const { database, schema, depthMax, logger, metrics } = this.options;
    if (this.options.isOwner()) await this.count();
    const sql = `select destination, row_count::float8 as rows from ${schema}.outbox_depth where row_count > $1`;
    const found = rowsOf<{ destination: string; rows: number }>(await database.query(sql, [depthMax]));
    const full = new Map(found.map(({ destination, rows }) => [destination, rows]));
    for (const destination of new Set([...this.full.keys(), ...full.keys()])) {
      metrics.set("cellway_outbox_full", { destination }, full.has(destination) ? 1 : 0);
      if (full.has(destination) === this.full.has(destination)) continue;
      if (full.has(destination))
        logger.error({ destination, rows: full.get(destination) }, "too much waits for a silo");
      else logger.info({ destination }, "no longer too much waits for a silo");
    }
    this.full = full;
  }

  /** Exact, and all destinations at once; what is there no more counts nothing. */
  private async count(): Promise<void> {
    const { database, schema } = this.options;
    await database.query(`with counted as materialized (
        select destination, count(*) as row_count from (
          select destination from ${schema}.outbox union all select destination from ${schema}.outbox_held
        ) waiting group by destination
      )
      insert into ${schema}.outbox_depth (destination, row_count, counted_at)
      select destination, row_count, clock_timestamp() from counted
      union all
      select destination, 0, clock_timestamp() from ${schema}.outbox_depth
      where destination not in (select destination from counted)
      on conflict (destination) do update set row_count = excluded.row_count, counted_at = excluded.counted_at`);
  }
}
