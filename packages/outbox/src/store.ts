import { createSequenceTail, type Queryable, rowsOf, type SequenceTail, schemaOf } from "@cellway/database";
import type { LocalMode } from "@cellway/silo";
import type { OutboxRow, RowPlace, StreamId } from "./message.js";
import type { NewerRow } from "./message-queue.js";

/** Why a stream does not flow. */
export type HoldState = "BACKING_OFF" | "AWAY" | "SLOW" | "PAUSED";

/** A stream that does not flow, as it is stored. */
export interface HeldStreamRow extends StreamId {
  readonly state: HoldState;
  readonly attempts: number;
  readonly error: string;
  /** Milliseconds until it is tried again; 0 when that is past. */
  readonly waitMs: number;
}

/** What an operator has paused; null selects everything. */
export interface Pause {
  readonly destination: string | null;
  readonly scope: number | null;
  readonly shard_id: string | null;
  readonly category: number | null;
}

/** Who may change rows: the owner of the lease, as long as nobody took it over. */
export interface Fence {
  readonly holder: string;
  readonly epoch: string;
}

/** Another process owns the outbox now. What this one did last was not done. */
export class LeaseLostError extends Error {
  override readonly name = "LeaseLostError";
}

/** Rows of one object that are looked for at once, and of all objects together; what is beyond is a later message. */
const NEWER_PER_OBJECT_MAX = 5_000;
const NEWER_MAX = 20_000;

/** A row that is newer than the group at this place, counted from 1. */
interface NewerRowOfGroup extends NewerRow {
  readonly index: number;
  readonly place: RowPlace;
}

const COLUMNS =
  "id, destination, scope, shard_id, category, object_id, content is not null as has_content, traceparent, (extract(epoch from created_at) * 1000)::float8 as created_ms";
const ROW_COLUMNS = "id, destination, scope, shard_id, category, object_id, content, traceparent, created_at";

/** The tables of one side's outbox. Every change of rows is refused with LeaseLostError once the fence does not hold. */
export class OutboxStore {
  readonly schema: string;
  private moving: Promise<void> = Promise.resolve();

  constructor(
    readonly db: Queryable,
    localMode: LocalMode,
  ) {
    this.schema = schemaOf(localMode);
  }

  /** Follows the outbox from its first row. */
  follow(): SequenceTail<OutboxRow> {
    return createSequenceTail<OutboxRow>({
      query: (sql, parameters) => this.db.query(sql, parameters),
      table: `${this.schema}.outbox`,
      columns: COLUMNS,
      afterId: "0",
    });
  }

  /** Deletes delivered rows; absent ones are no error. Those of a held stream may be on their way from the other table. */
  async deleteRows(fence: Fence, from: RowPlace, ids: readonly string[]): Promise<void> {
    const deletion = (table: string) =>
      `${table}_done as (delete from ${this.schema}.${table} using lease where id = any($3::bigint[]))`;
    if (from === "outbox") return this.run(fence, deletion(from), [ids]);
    await this.exclusively(() => this.run(fence, `${deletion(from)}, ${deletion("outbox")}`, [ids]));
  }

  /** Moves rows of streams out of everybody's way. `keys` and `ids` stand side by side: the lane of each row. */
  async hold(fence: Fence, rows: readonly { readonly id: string; readonly lane: number }[]): Promise<void> {
    const sql = `moved as (
        delete from ${this.schema}.outbox o using unnest($3::bigint[], $4::int[]) as wanted (id, lane), lease
        where o.id = wanted.id returning o.*, wanted.lane
      ), done as (
        insert into ${this.schema}.outbox_held (${ROW_COLUMNS}, lane)
        select ${ROW_COLUMNS}, lane from moved on conflict (id) do nothing
      )`;
    await this.exclusively(() => this.run(fence, sql, [rows.map((row) => row.id), rows.map((row) => row.lane)]));
  }

  /** Stores why streams do not flow. */
  async saveStreams(fence: Fence, streams: readonly HeldStreamRow[]): Promise<void> {
    const sql = `done as (insert into ${this.schema}.outbox_stream as s (destination, scope, shard_id, lane, state, attempts, error, next_at)
      select destination, scope, shard_id, lane, state, attempts, error,
        case when wait_ms is null then 'infinity' else clock_timestamp() + wait_ms * interval '1 millisecond' end
      from unnest($3::text[], $4::int[], $5::bigint[], $6::int[], $7::text[], $8::int[], $9::text[], $10::float8[])
        as new (destination, scope, shard_id, lane, state, attempts, error, wait_ms) cross join lease
      on conflict (destination, scope, shard_id, lane) do update set state = excluded.state, attempts = excluded.attempts,
        error = case when excluded.error = '' then s.error else excluded.error end, next_at = excluded.next_at)`;
    await this.run(fence, sql, [
      ...keyColumns(streams),
      streams.map((stream) => stream.state),
      streams.map((stream) => stream.attempts),
      streams.map((stream) => stream.error),
      streams.map((stream) => (Number.isFinite(stream.waitMs) ? stream.waitMs : null)),
    ]);
  }

  /** Forgets streams that flow again. */
  async releaseStreams(fence: Fence, streams: readonly StreamId[]): Promise<void> {
    const sql = `done as (delete from ${this.schema}.outbox_stream s
      using lease, unnest($3::text[], $4::int[], $5::bigint[], $6::int[]) as gone (destination, scope, shard_id, lane)
      where (s.destination, s.scope, s.shard_id, s.lane) = (gone.destination, gone.scope, gone.shard_id, gone.lane))`;
    await this.run(fence, sql, keyColumns(streams));
  }

  /** Brings the rows of streams to the streams of other lanes: what is ordered with what has changed since they were held. */
  async changeLanes(fence: Fence, streams: readonly (StreamId & { readonly newLane: number })[]): Promise<void> {
    const sql = `moved as (update ${this.schema}.outbox_held h set lane = wanted.new_lane
        from lease, unnest($3::text[], $4::int[], $5::bigint[], $6::int[], $7::int[]) as wanted (destination, scope, shard_id, lane, new_lane)
        where (h.destination, h.scope, h.shard_id, h.lane) = (wanted.destination, wanted.scope, wanted.shard_id, wanted.lane)
        returning h.destination, h.scope, h.shard_id, h.lane),
      done as (insert into ${this.schema}.outbox_stream (destination, scope, shard_id, lane, state, next_at)
        select distinct destination, scope, shard_id, lane, 'SLOW', clock_timestamp() from moved
        on conflict (destination, scope, shard_id, lane) do nothing)`;
    await this.run(fence, sql, [...keyColumns(streams), streams.map((stream) => stream.newLane)]);
  }

  /** The streams that do not flow. */
  async listStreams(): Promise<HeldStreamRow[]> {
    const sql = `select destination, scope, shard_id as "shardId", lane, state, attempts, error,
        case when next_at = 'infinity' then 'Infinity'::float8
          else greatest(0, extract(epoch from next_at - clock_timestamp()) * 1000)::float8 end as "waitMs"
      from ${this.schema}.outbox_stream`;
    return rowsOf(await this.db.query(sql));
  }

  /** Up to `limit` of the oldest rows of each of these held streams. */
  async listHeldRows(streams: readonly StreamId[], limit: number): Promise<(OutboxRow & { lane: number })[]> {
    const sql = `select h.* from unnest($1::text[], $2::int[], $3::bigint[], $4::int[]) as s (destination, scope, shard_id, lane)
      cross join lateral (
        select ${COLUMNS}, lane from ${this.schema}.outbox_held h
        where (h.destination, h.scope, h.shard_id, h.lane) = (s.destination, s.scope, s.shard_id, s.lane)
        order by id limit $5
      ) h order by h.id`;
    return rowsOf(await this.db.query(sql, [...keyColumns(streams), limit]));
  }

  /**
   * Rows of the same objects that are newer than what is known, each object's ascending: what coalesces with it, wherever
   * in the table it stands. For held messages also what is on its way to them. Not all of them when there are very many.
   */
  async listNewer(
    from: RowPlace,
    groups: readonly (StreamId & { readonly category: number; readonly objectId: string; readonly newestId: string })[],
  ): Promise<NewerRowOfGroup[]> {
    const places: readonly RowPlace[] = from === "outbox" ? ["outbox"] : ["outbox_held", "outbox"];
    const newer = places.map(
      (place) => `(select '${place}' as place, id, content is not null as has_content, traceparent
        from ${this.schema}.${place} o
        where (o.shard_id, o.category, o.object_id, o.scope, o.destination) = (g.shard_id, g.category, g.object_id, g.scope, g.destination)
          and o.id > g.newest_id order by id limit ${NEWER_PER_OBJECT_MAX})`,
    );
    const sql = `select g.index::int as index, o.* from unnest($1::text[], $2::int[], $3::bigint[], $4::int[], $5::bigint[], $6::bigint[])
        with ordinality as g (destination, scope, shard_id, category, object_id, newest_id, index)
      cross join lateral (select * from (${newer.join(" union all ")}) o order by id limit ${NEWER_PER_OBJECT_MAX}) o
      order by g.index, o.id limit ${NEWER_MAX}`;
    const columns = keyColumns(groups).slice(0, 3);
    const newest = groups.map((group) => group.newestId);
    const objects = groups.map((group) => group.objectId);
    return rowsOf(await this.db.query(sql, [...columns, groups.map((group) => group.category), objects, newest]));
  }

  /** The content of rows that hold it. Those of held messages may be on their way from the other table. */
  async readContents(from: RowPlace, ids: readonly string[]): Promise<Map<string, Uint8Array>> {
    if (ids.length === 0) return new Map();
    const places: readonly RowPlace[] = from === "outbox" ? ["outbox"] : ["outbox_held", "outbox"];
    // One statement: in its snapshot a row that is moved stands in exactly one of the tables.
    const sql = places
      .map(
        (place) =>
          `select id, content from ${this.schema}.${place} where id = any($1::bigint[]) and content is not null`,
      )
      .join(" union all ");
    const rows = rowsOf<{ id: string; content: Uint8Array }>(await this.db.query(sql, [ids]));
    return new Map(rows.map((row) => [row.id, row.content]));
  }

  /** Parks a held message: its newest row, with the error, until somebody asks for it. One that was parked is replaced. */
  async park(fence: Fence, ids: readonly string[], error: string): Promise<void> {
    const sql = `gone as (delete from ${this.schema}.outbox_held h using lease where h.id = any($3::bigint[]) returning h.*),
      newest as (select * from gone order by id desc limit 1),
      done as (insert into ${this.schema}.outbox_parked as p
        (destination, scope, shard_id, category, object_id, content, traceparent, error, created_at)
      select destination, scope, shard_id, category, object_id, content, traceparent, $4, (select min(created_at) from gone)
      from newest
      on conflict (destination, scope, shard_id, category, object_id) do update set content = excluded.content,
        traceparent = excluded.traceparent, error = excluded.error, parked_at = clock_timestamp())`;
    await this.run(fence, sql, [ids, error]);
  }

  /** Forgets parked messages of objects of which a newer state was delivered. */
  async unpark(
    fence: Fence,
    objects: readonly (StreamId & { readonly category: number; readonly objectId: string })[],
  ): Promise<void> {
    const sql = `done as (delete from ${this.schema}.outbox_parked p
      using lease, unnest($3::text[], $4::int[], $5::bigint[], $6::int[], $7::bigint[]) as d (destination, scope, shard_id, category, object_id)
      where (p.destination, p.scope, p.shard_id, p.category, p.object_id) = (d.destination, d.scope, d.shard_id, d.category, d.object_id))`;
    const columns = keyColumns(objects).slice(0, 3);
    await this.run(fence, sql, [
      ...columns,
      objects.map((object) => object.category),
      objects.map((object) => object.objectId),
    ]);
  }

  /** Objects with a parked message, at most `limit`. */
  async listParked(
    limit: number,
  ): Promise<(Omit<StreamId, "lane"> & { readonly category: number; readonly objectId: string })[]> {
    const sql = `select destination, scope, shard_id as "shardId", category, object_id as "objectId"
      from ${this.schema}.outbox_parked limit $1`;
    return rowsOf(await this.db.query(sql, [limit]));
  }

  /** What is paused. */
  async listPauses(): Promise<Pause[]> {
    return rowsOf(
      await this.db.query(`select destination, scope, shard_id, category from ${this.schema}.outbox_pause order by id`),
    );
  }

  /** Failed streams that are due by the clock of the database, and those that an operator wants tried at once. */
  async listRetried(): Promise<StreamId[]> {
    const sql = `with asked as (delete from ${this.schema}.outbox_retry returning destination, scope, shard_id, lane)
      select destination, scope, shard_id as "shardId", lane from asked
      union
      (select destination, scope, shard_id, lane from ${this.schema}.outbox_stream
        where state = 'BACKING_OFF' and next_at <= clock_timestamp() limit 1000)`;
    return rowsOf(await this.db.query(sql));
  }

  /** Takes the outbox over when nobody has it, or renews it. Undefined while another process has it. */
  async takeLease(holder: string, leaseMs: number): Promise<Fence | undefined> {
    const sql = `update ${this.schema}.outbox_lease set holder = $1,
        epoch = epoch + case when holder = $1 then 0 else 1 end, expires_at = clock_timestamp() + $2 * interval '1 millisecond'
      where holder = $1 or expires_at < clock_timestamp()
        -- Nobody gives a lease for so long: the clock of the database was put back.
        or expires_at > clock_timestamp() + 10 * $2 * interval '1 millisecond'
      returning epoch`;
    // TypeORM answers an UPDATE with [rows, count].
    const answer = (await this.db.query(sql, [holder, leaseMs])) as [{ epoch: string }[], number];
    const epoch = answer[0][0]?.epoch;
    return epoch === undefined ? undefined : { holder, epoch };
  }

  /** Gives the outbox back. */
  async releaseLease(fence: Fence): Promise<void> {
    const sql = `update ${this.schema}.outbox_lease set expires_at = '-infinity', holder = null where holder = $1 and epoch = $2`;
    await this.db.query(sql, [fence.holder, fence.epoch]);
  }

  /** One after the other: a row that is deleted while it moves would be missed in both places. */
  private exclusively(work: () => Promise<void>): Promise<void> {
    const done = this.moving.then(work);
    this.moving = done.catch(() => undefined);
    return done;
  }

  /**
   * Runs statements, as parts of one WITH, that change nothing unless the lease is still ours: each of them asks `lease`,
   * which is read with a lock that keeps a successor from taking it before the statement has committed.
   */
  private async run(fence: Fence, parts: string, parameters: readonly unknown[]): Promise<void> {
    const sql = `with lease as materialized (
        select 1 from ${this.schema}.outbox_lease where holder = $1::uuid and epoch = $2::bigint for share
      ), ${parts} select (select count(*) from lease)::int as held`;
    const [answer] = rowsOf<{ held: number }>(await this.db.query(sql, [fence.holder, fence.epoch, ...parameters]));
    if (answer?.held !== 1) throw new LeaseLostError(`Another process delivers ${this.schema}.outbox now.`);
  }
}

/** The columns of streams, side by side, as `unnest` takes them. */
function keyColumns(streams: readonly StreamId[]): [string[], number[], string[], number[]] {
  return [
    streams.map((stream) => stream.destination),
    streams.map((stream) => stream.scope),
    streams.map((stream) => stream.shardId),
    streams.map((stream) => stream.lane),
  ];
}
