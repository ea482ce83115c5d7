import { type Queryable, rowsOf, schemaOf } from "@cellway/database";
import type { LocalMode } from "@cellway/silo";
import type { CountedSubject, Usage } from "@cellway/telemetry";
import {
  CALLERS_LISTED_MAX,
  CALLERS_MAX,
  GAP_MS,
  GONE_AFTER_MS,
  GONE_PROCESSES_MAX,
  PROCESS_KEPT_MS,
  PROCESSES_LISTED_MAX,
  USE_KEPT_MS,
} from "./limits.js";

/** What a process says of itself. */
export interface ProcessIdentity {
  /** Random. */
  readonly id: string;
  readonly silo: string;
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  readonly contract: string;
}

/** A process that lives. */
export interface ProcessRow extends ProcessIdentity {
  readonly running_ms: number;
  readonly silent_ms: number;
}

/** Processes that ended without a goodbye, of those that are remembered. */
export interface LostProcesses {
  readonly count: number;
  readonly last_ms: number | null;
}

/** What is known of a subject. */
export interface SubjectRow extends CountedSubject {
  /** Since when every process that lives counts it; null while one does not. */
  readonly counted_ms: number | null;
  /** The releases of those that do not. */
  readonly uncounted_by: readonly string[];
  readonly last_used_ms: number | null;
  readonly use_count: string;
  readonly callers: number;
}

/** Uses by one caller. */
export interface CallerRow extends CountedSubject {
  readonly caller: string;
  readonly caller_service: string;
  readonly caller_version: string;
  readonly first_used_ms: number;
  readonly last_used_ms: number;
  readonly use_count: string;
}

/** The tables of one side. Times are the database's, or those of `now`. */
export class FleetStore {
  private readonly schema: string;

  constructor(
    private readonly db: Queryable,
    localMode: LocalMode,
    private readonly now?: () => number,
  ) {
    this.schema = schemaOf(localMode);
  }

  /** Says that a process is there, and what it counts. */
  async report(identity: ProcessIdentity, counted: readonly CountedSubject[], isFirst: boolean): Promise<void> {
    const { id, silo, host, pid, version, contract } = identity;
    const names = counted.map(({ kind, subject }) => `${kind} ${subject}`);
    await this.db.query(`select ${this.schema}.process_report($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`, [
      id,
      silo,
      host,
      pid,
      version,
      contract,
      names,
      this.nowOrNull(),
      GONE_AFTER_MS,
      GAP_MS,
      isFirst,
    ]);
  }

  /** The process ends. */
  async sayGoodbye(id: string): Promise<void> {
    const sql = `update ${this.schema}.process set seen_at = at.now, stopped_at = at.now
      from (select coalesce($2::timestamptz, clock_timestamp()) as now) at where id = $1`;
    await this.db.query(sql, [id, this.nowOrNull()]);
  }

  /** All of them or none. */
  async addUses(usages: readonly Usage[]): Promise<void> {
    const sql = `select ${this.schema}.deprecated_use_add(kind, subject, caller, service, version, uses, $9, first_ms, last_ms, $10)
      from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::float8[], $8::float8[])
        as u (kind, subject, caller, service, version, uses, first_ms, last_ms)`;
    // In one order, so that two processes do not wait for each other.
    const sorted = usages.toSorted((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1));
    const nowMs = performance.now();
    const columns = [
      sorted.map(({ kind }) => kind),
      sorted.map(({ subject }) => subject),
      sorted.map(({ caller }) => caller),
      sorted.map(({ service }) => service),
      sorted.map(({ version }) => version),
      sorted.map(({ count }) => count),
      sorted.map(({ firstAtMs }) => nowMs - firstAtMs),
      sorted.map(({ lastAtMs }) => nowMs - lastAtMs),
    ];
    await this.db.query(sql, [...columns, this.nowOrNull(), CALLERS_MAX]);
  }

  /** Deletes what is old. */
  async prune(): Promise<void> {
    const sql = `select ${this.schema}.process_prune($1, $2, $3, $4, $5)`;
    await this.db.query(sql, [this.nowOrNull(), USE_KEPT_MS, PROCESS_KEPT_MS, GONE_AFTER_MS, GONE_PROCESSES_MAX]);
  }

  /** Those that live, the oldest first. */
  async listProcesses(): Promise<ProcessRow[]> {
    const sql = `${this.live("$1", "$2")}
      select id, silo, host, pid, version, contract, ${age("started_at")} as running_ms, ${age("seen_at")} as silent_ms
      from live order by started_at, id limit $3`;
    return rowsOf(await this.db.query(sql, [this.nowOrNull(), GONE_AFTER_MS, PROCESSES_LISTED_MAX]));
  }

  async countLost(): Promise<LostProcesses> {
    const sql = `${this.live("$1", "$2")}
      select count(*)::int as count, min(${age("seen_at")}) as last_ms
      from ${this.schema}.process p where stopped_at is null and not exists (select from live where live.id = p.id)`;
    const [row] = rowsOf<LostProcesses>(await this.db.query(sql, [this.nowOrNull(), GONE_AFTER_MS]));
    return row ?? { count: 0, last_ms: null };
  }

  /** What is counted or was used, by kind and subject, after a key. */
  async listSubjects(after: readonly [kind: string, subject: string], limit: number): Promise<SubjectRow[]> {
    const sql = `${this.live("$1", "$2")}, subjects as (
        select split_part(name, ' ', 1) as kind, substr(name, strpos(name, ' ') + 1) as subject
        from (select distinct unnest(counted) as name from live) c
        union select kind, subject from ${this.schema}.deprecated_use
      )
      select s.kind, s.subject, u.last_used_ms, coalesce(u.use_count, 0)::text as use_count, coalesce(u.callers, 0) as callers,
        case when l.is_counted then ${age("w.since")} end as counted_ms, coalesce(l.uncounted_by, '{}') as uncounted_by
      from subjects s
      left join ${this.schema}.deprecated_watch w using (kind, subject)
      cross join lateral (
        select bool_and(s.kind || ' ' || s.subject = any (counted)) as is_counted,
          array_agg(distinct version) filter (where not s.kind || ' ' || s.subject = any (counted)) as uncounted_by
        from live
      ) l
      cross join lateral (
        select min(${age("last_used_at")}) as last_used_ms, sum(use_count) as use_count, count(*)::int as callers
        from ${this.schema}.deprecated_use d where (d.kind, d.subject) = (s.kind, s.subject)
      ) u
      where (s.kind, s.subject) > ($3, $4) order by s.kind, s.subject limit $5`;
    return rowsOf(await this.db.query(sql, [this.nowOrNull(), GONE_AFTER_MS, ...after, limit]));
  }

  /** Who used each of these, the latest first. */
  async listCallers(subjects: readonly CountedSubject[]): Promise<CallerRow[]> {
    const sql = `with at as (select coalesce($1::timestamptz, clock_timestamp()) as now)
      select kind, subject, caller, caller_service, caller_version, use_count::text,
        ${age("first_used_at")} as first_used_ms, ${age("last_used_at")} as last_used_ms
      from (
        select d.*, row_number() over (partition by kind, subject order by last_used_at desc) as place
        from ${this.schema}.deprecated_use d join unnest($2::text[], $3::text[]) as s (kind, subject) using (kind, subject)
      ) ranked where place <= $4 order by kind, subject, place`;
    const [kinds, names] = [subjects.map(({ kind }) => kind), subjects.map(({ subject }) => subject)];
    return rowsOf(await this.db.query(sql, [this.nowOrNull(), kinds, names, CALLERS_LISTED_MAX]));
  }

  private live(now: string, goneMs: string): string {
    return `with at as (select coalesce(${now}::timestamptz, clock_timestamp()) as now), live as (
        select * from ${this.schema}.process
        where stopped_at is null and seen_at > (select now from at) - ${goneMs} * interval '1 millisecond'
      )`;
  }

  private nowOrNull(): Date | null {
    return this.now === undefined ? null : new Date(this.now());
  }
}

/** Milliseconds since a time, in a statement that has `at`. */
function age(column: string): string {
  return `(extract(epoch from (select now from at) - ${column}) * 1000)::float8`;
}

function keyOf({ kind, subject, caller, service, version }: Usage): string {
  return [kind, subject, caller, service, version].join(" ");
}
