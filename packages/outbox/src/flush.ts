import { setTimeout as sleep } from "node:timers/promises";
import { rowsOf } from "@cellway/database";
import type { RowPlace } from "./message.js";
import type { OutboxStore } from "./store.js";

/** How often rows are looked for that another process delivers. */
const POLL_MS = 25;
/** Rows that are waited for at once. */
const ROWS_MAX = 1_000;

/** What was changed is committed, but not delivered yet; it will be. */
export class OutboxFlushError extends Error {
  override readonly name = "OutboxFlushError";
  /** Always: nothing is lost, and nothing has to be done again. */
  readonly isCommitted = true;

  /** @param why - the error of the delivery, or that there was no time for it. */
  constructor(readonly why: string) {
    super(`The change is committed; telling others of it is not done yet and goes on by itself (${why}).`);
  }
}

/** What is waited for: all that a shard holds now. */
export interface FlushedShard {
  readonly scope: number;
  readonly shardId: string;
}

interface Waiter {
  readonly shard: FlushedShard;
  /** When it began, by the clock of the database. */
  readonly since: string;
  readonly left: Set<string>;
  readonly done: (why?: string) => void;
}

/** Those who wait until rows are delivered. */
export class FlushWaiters {
  private readonly byId = new Map<string, Set<Waiter>>();

  constructor(private readonly store: OutboxStore) {}

  /**
   * Resolves once all that was committed of a shard before is delivered, by whichever process.
   *
   * @param options.onWaiting - told when there is something to wait for.
   * @throws OutboxFlushError when a message failed, or after `timeoutMs`.
   */
  async wait(shard: FlushedShard, options: { timeoutMs: number; onWaiting: () => void }): Promise<void> {
    const deadline = performance.now() + options.timeoutMs;
    let found = await this.list(shard);
    const newestId = found.newestId;
    while (found.ids.length > 0) {
      options.onWaiting();
      await this.waitFor(shard, found, deadline);
      if (found.ids.at(-1) === newestId) return;
      found = await this.list(shard, newestId);
    }
  }

  private async waitFor(
    shard: FlushedShard,
    { ids, since }: { ids: readonly string[]; since: string },
    deadline: number,
  ): Promise<void> {
    const over = new AbortController();
    let waiter: Waiter | undefined;
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        const done = (why?: string) => (why === undefined ? resolve() : reject(new OutboxFlushError(why)));
        waiter = this.register({ shard, since, left: new Set(ids), done });
        timer = setTimeout(() => done("there was no more time"), Math.max(0, deadline - performance.now()));
        void this.keepLooking(waiter, over.signal);
      });
    } finally {
      over.abort();
      clearTimeout(timer);
      if (waiter !== undefined) this.forget(ids, waiter);
    }
  }

  /** Sees what another process delivers. */
  private async keepLooking(waiter: Waiter, over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      await sleep(POLL_MS, undefined, { signal: over }).catch(() => undefined);
      if (!over.aborted) await this.look(waiter).catch(() => undefined);
    }
  }

  /** Rows that are delivered: their deletion is committed. */
  delivered(ids: readonly string[]): void {
    if (this.byId.size === 0) return;
    for (const id of ids) {
      for (const waiter of this.byId.get(id) ?? []) {
        waiter.left.delete(id);
        if (waiter.left.size === 0) waiter.done();
      }
    }
  }

  /** Rows whose delivery failed for now. */
  failed(ids: readonly string[], why: string): void {
    if (this.byId.size === 0) return;
    for (const id of ids) for (const waiter of this.byId.get(id) ?? []) waiter.done(why);
  }

  private async look(waiter: Waiter): Promise<void> {
    const { schema, db } = this.store;
    const sql = `select null as error from ${schema}.outbox where id = any($1::bigint[])
      union all
      select case when s.state <> 'SLOW' then s.state || ': ' || s.error end from ${schema}.outbox_held h
        left join ${schema}.outbox_stream s using (destination, scope, shard_id, lane) where h.id = any($1::bigint[])
      union all
      select 'PARKED: ' || error from ${schema}.outbox_parked where scope = $2 and shard_id = $3 and parked_at >= $4`;
    const { scope, shardId } = waiter.shard;
    const rows = rowsOf<{ error: string | null }>(
      await db.query(sql, [[...waiter.left], scope, shardId, waiter.since]),
    );
    const failure = rows.find((row) => row.error !== null);
    if (failure !== undefined) waiter.done(failure.error ?? "");
    else if (rows.length === 0) waiter.done();
  }

  /** The oldest rows of a shard that wait for delivery, up to the newest one. */
  private async list(
    { scope, shardId }: FlushedShard,
    newestId?: string,
  ): Promise<{ ids: string[]; newestId: string; since: string }> {
    const { schema, db } = this.store;
    const rows = (place: RowPlace) => `select id from ${schema}.${place} where shard_id = $2 and scope = $1`;
    const sql = `with waiting as materialized (${rows("outbox")} union all ${rows("outbox_held")})
      select (array_agg(id order by id) filter (where id <= coalesce($3, id)))[1:${ROWS_MAX}] as ids,
        max(id) as newest, clock_timestamp()::text as since from waiting`;
    const [found] = rowsOf<{ ids: string[] | null; newest: string; since: string }>(
      await db.query(sql, [scope, shardId, newestId ?? null]),
    );
    return { ids: found?.ids ?? [], newestId: newestId ?? found?.newest ?? "0", since: found?.since ?? "" };
  }

  private register(waiter: Waiter): Waiter {
    for (const id of waiter.left) {
      const waiters = this.byId.get(id);
      if (waiters === undefined) this.byId.set(id, new Set([waiter]));
      else waiters.add(waiter);
    }
    return waiter;
  }

  private forget(ids: readonly string[], waiter: Waiter): void {
    for (const id of ids) {
      const waiters = this.byId.get(id);
      waiters?.delete(waiter);
      if (waiters?.size === 0) this.byId.delete(id);
    }
  }
}
