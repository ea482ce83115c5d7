import { type Queryable, rowsOf } from "@cellway/database";
import type { Selection } from "./selection.js";
import type { HoldState, Pause } from "./store.js";

/** Rows that have the same category, destination and state. */
export interface DepthRow {
  readonly scope: number;
  readonly category: number;
  readonly destination: string;
  readonly state: HoldState | "FLOWING" | "PARKED";
  readonly depth: number;
  readonly age_ms: number;
  /** More rows of this kind were not looked at. */
  readonly is_cut: boolean;
}

/** What the owner of the lease delivered lately. */
export interface Rate {
  readonly scope: number;
  readonly category: number;
  readonly destination: string;
  readonly perSecond: number;
}

/** Who delivers, as the lease and the owner itself say. */
export interface OwnerRow {
  readonly is_owned: boolean;
  readonly epoch: string;
  readonly lease_left_ms: number;
  readonly process: string | null;
  readonly is_notified: boolean | null;
  readonly rates: readonly Rate[] | null;
  readonly away: readonly string[] | null;
  readonly silent_ms: number | null;
}

/** A row as operators see it: without its content. */
export interface ListedRow {
  readonly id: string;
  readonly destination: string;
  readonly scope: number;
  readonly shard_id: string;
  readonly category: number;
  readonly object_id: string;
  readonly state: DepthRow["state"];
  readonly attempts: number;
  readonly error: string;
  readonly age_ms: number;
  readonly next_try_ms: number | null;
  /** Of a stream that fails: the category that its order is named after. */
  readonly lane: number;
}

/** A page of a list: rows after a key, at most so many. */
interface Page {
  readonly after: readonly string[] | undefined;
  readonly limit: number;
}

const AGE = (column: string) => `(extract(epoch from clock_timestamp() - ${column}) * 1000)::float8`;
const NEXT_TRY = `case when s.state in ('BACKING_OFF', 'AWAY') and s.next_at < 'infinity'
  then greatest(0, extract(epoch from s.next_at - clock_timestamp()) * 1000)::float8 end`;

/** What operators read of one side's outbox, and change. Nothing here reads what a row tells, nor more rows than it says. */
export class OperatorStore {
  constructor(
    readonly db: Queryable,
    readonly schema: string,
  ) {}

  /** What is in the tables; of each table at most the first `rowsMax` rows are looked at. */
  async readDepths(rowsMax: number): Promise<DepthRow[]> {
    const sql = `select scope, category, destination, state, depth, ${AGE("oldest_at")} as age_ms, is_cut
      from ${this.schema}.outbox_depths($1) order by scope, category, destination, state`;
    return rowsOf(await this.db.query(sql, [rowsMax]));
  }

  /** Streams that do not flow, by why; at most `streamsMax` are looked at. */
  async countStreams(streamsMax: number): Promise<{ readonly state: HoldState; readonly streams: number }[]> {
    const sql = `select state, count(*)::int as streams from (select state from ${this.schema}.outbox_stream limit $1) s
      group by state order by state`;
    return rowsOf(await this.db.query(sql, [streamsMax]));
  }

  async readOwner(): Promise<OwnerRow> {
    const sql = `select l.holder is not null and l.expires_at > clock_timestamp() as is_owned, l.epoch,
        case when l.expires_at > '-infinity'
          then greatest(0, extract(epoch from l.expires_at - clock_timestamp()) * 1000)::float8 else 0 end as lease_left_ms,
        r.process, r.is_notified, r.rates, r.away, ${AGE("r.reported_at")} as silent_ms
      from ${this.schema}.outbox_lease l left join ${this.schema}.outbox_report r using (name)`;
    const [row] = rowsOf<OwnerRow>(await this.db.query(sql));
    if (row === undefined) throw new Error(`${this.schema}.outbox_lease has no row.`);
    return row;
  }

  /** Says what this process, which delivers, knows of itself. */
  async saveReport(report: {
    process: string;
    isNotified: boolean;
    rates: readonly Rate[];
    away: readonly string[];
  }): Promise<void> {
    const sql = `insert into ${this.schema}.outbox_report (name, process, is_notified, rates, away, reported_at)
      values ('pump', $1, $2, $3::jsonb, $4, clock_timestamp())
      on conflict (name) do update set process = excluded.process, is_notified = excluded.is_notified,
        rates = excluded.rates, away = excluded.away, reported_at = excluded.reported_at`;
    await this.db.query(sql, [report.process, report.isNotified, JSON.stringify(report.rates), report.away]);
  }

  /** The rows of one shard, in order, wherever they stand. */
  async listShard(selection: Selection, { after, limit }: Page): Promise<ListedRow[]> {
    const where = `shard_id = $1 and scope = $2 and ($3::text is null or destination = $3)
      and ($4::int is null or category = $4) and id > $5 order by id limit $6`;
    const columns = "id, destination, scope, shard_id, category, object_id, created_at";
    const sql = `select r.*, coalesce(s.state, case when r.is_held then 'SLOW' else 'FLOWING' end) as state,
        case when r.is_first then coalesce(s.attempts, 0) else 0 end as attempts,
        case when r.is_first then coalesce(s.error, '') else '' end as error, ${AGE("r.created_at")} as age_ms,
        case when r.is_first then ${NEXT_TRY} end as next_try_ms
      from (
        (select ${columns}, category as lane, false as is_held, false as is_first from ${this.schema}.outbox where ${where})
        union all
        (select ${columns}, lane, true, not exists (
            select from ${this.schema}.outbox_held o
            where (o.destination, o.scope, o.shard_id, o.lane) = (h.destination, h.scope, h.shard_id, h.lane) and o.id < h.id)
          from ${this.schema}.outbox_held h where ${where})
        order by id limit $6
      ) r left join ${this.schema}.outbox_stream s
        on r.is_held and (s.destination, s.scope, s.shard_id, s.lane) = (r.destination, r.scope, r.shard_id, r.lane)
      order by r.id`;
    const { shard_id, scope, destination, category } = selection;
    return rowsOf(await this.db.query(sql, [shard_id, scope, destination, category, after?.[0] ?? "0", limit]));
  }

  /** Parked messages, by destination, scope, shard, category and object. */
  async listParked(selection: Selection, { after, limit }: Page): Promise<ListedRow[]> {
    const sql = `select '0' as id, p.destination, p.scope, p.shard_id, p.category, p.object_id, p.category as lane,
        'PARKED' as state, 0 as attempts, p.error, ${AGE("p.created_at")} as age_ms, null as next_try_ms
      from ${this.schema}.outbox_parked p
      where ($1::text is null or p.destination = $1) and ($2::int is null or p.scope = $2)
        and ($3::bigint is null or p.shard_id = $3) and ($4::int is null or p.category = $4)
        and ($6::text is null or (p.destination, p.scope, p.shard_id, p.category, p.object_id) > ($6, $7::int, $8::bigint, $9::int, $10::bigint))
      order by p.destination, p.scope, p.shard_id, p.category, p.object_id limit $5`;
    const { destination, scope, shard_id, category } = selection;
    const key = after ?? [null, null, null, null, null];
    return rowsOf(await this.db.query(sql, [destination, scope, shard_id, category, limit, ...key]));
  }

  /** Of each stream that backs off the row that it is at, by destination, scope, shard and order. */
  async listFailing(selection: Selection, { after, limit }: Page): Promise<ListedRow[]> {
    const sql = `select h.id, s.destination, s.scope, s.shard_id, h.category, h.object_id, s.lane, s.state, s.attempts, s.error,
        ${AGE("h.created_at")} as age_ms, ${NEXT_TRY} as next_try_ms
      from (
        select * from ${this.schema}.outbox_stream s where s.state = 'BACKING_OFF'
          and ($1::text is null or s.destination = $1) and ($2::int is null or s.scope = $2)
          and ($3::bigint is null or s.shard_id = $3) and ($4::int is null or s.lane = $4)
          and ($6::text is null or (s.destination, s.scope, s.shard_id, s.lane) > ($6, $7::int, $8::bigint, $9::int))
        order by s.destination, s.scope, s.shard_id, s.lane limit $5
      ) s cross join lateral (
        select id, category, object_id, created_at from ${this.schema}.outbox_held h
        where (h.destination, h.scope, h.shard_id, h.lane) = (s.destination, s.scope, s.shard_id, s.lane) order by id limit 1
      ) h order by s.destination, s.scope, s.shard_id, s.lane`;
    const { destination, scope, shard_id, lane } = selection;
    const key = after ?? [null, null, null, null];
    return rowsOf(await this.db.query(sql, [destination, scope, shard_id, lane, limit, ...key]));
  }

  /** Has streams that back off tried at once. @returns how many */
  async retryStreams({ destination, scope, shard_id, lane }: Selection): Promise<number> {
    // Said twice: the pump may write its own time over the first, and an older version knows only that.
    const sql = `with due as (
        update ${this.schema}.outbox_stream set next_at = clock_timestamp() where state = 'BACKING_OFF'
          and ($1::text is null or destination = $1) and ($2::int is null or scope = $2)
          and ($3::bigint is null or shard_id = $3) and ($4::int is null or lane = $4)
        returning destination, scope, shard_id, lane
      ), asked as (
        insert into ${this.schema}.outbox_retry (destination, scope, shard_id, lane) select * from due on conflict do nothing
      ) select count(*)::int as streams from due`;
    const [row] = rowsOf<{ streams: number }>(await this.db.query(sql, [destination, scope, shard_id, lane]));
    return row?.streams ?? 0;
  }

  /** Shards with parked messages, ordered, after one of them. */
  async listParkedShards(
    { destination, scope, shard_id, category }: Selection,
    { after, limit }: Page,
  ): Promise<{ readonly scope: number; readonly shard_id: string }[]> {
    const sql = `select distinct scope, shard_id from ${this.schema}.outbox_parked
      where ($1::text is null or destination = $1) and ($2::int is null or scope = $2)
        and ($3::bigint is null or shard_id = $3) and ($4::int is null or category = $4)
        and ($6::int is null or (scope, shard_id) > ($6::int, $7::bigint))
      order by scope, shard_id limit $5`;
    const key = after ?? [null, null];
    return rowsOf(await this.db.query(sql, [destination, scope, shard_id, category, limit, ...key]));
  }

  /** Puts parked messages of one shard back as new rows, at most `limit`. */
  async retryShard(
    shard: { readonly scope: number; readonly shard_id: string },
    { destination, category }: Selection,
    limit: number,
  ): Promise<{ readonly retried: number; readonly superseded: number }> {
    const sql = `select retried, superseded from ${this.schema}.outbox_retry_parked($1, $2, $3, $4, $5)`;
    const parameters = [shard.scope, shard.shard_id, destination, category, limit];
    const [row] = rowsOf<{ retried: number; superseded: number }>(await this.db.query(sql, parameters));
    return row ?? { retried: 0, superseded: 0 };
  }

  async pause({ destination, scope, shard_id, category }: Selection): Promise<void> {
    const sql = `insert into ${this.schema}.outbox_pause (destination, scope, shard_id, category)
      values ($1, $2, $3, $4) on conflict do nothing`;
    await this.db.query(sql, [destination, scope, shard_id, category]);
  }

  /** Takes back the pauses that say all that the selection says. @returns how many */
  async resume({ destination, scope, shard_id, category }: Selection): Promise<number> {
    const sql = `with gone as (
        delete from ${this.schema}.outbox_pause where ($1::text is null or destination = $1)
          and ($2::int is null or scope = $2) and ($3::bigint is null or shard_id = $3) and ($4::int is null or category = $4)
        returning id
      ) select count(*)::int as removed from gone`;
    const parameters = [destination, scope, shard_id, category];
    const [row] = rowsOf<{ removed: number }>(await this.db.query(sql, parameters));
    return row?.removed ?? 0;
  }

  /** What is paused, the oldest first. */
  async listPauses(limit: number): Promise<(Pause & { readonly age_ms: number })[]> {
    const sql = `select destination, scope, shard_id, category, ${AGE("paused_at")} as age_ms
      from ${this.schema}.outbox_pause order by id limit $1`;
    return rowsOf(await this.db.query(sql, [limit]));
  }
}
