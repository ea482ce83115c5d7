import { type Queryable, rowsOf } from "./queryable.js";

/** What to follow, and through what: a connection, or a pool of them. */
export interface SequenceTailOptions extends Queryable {
  /** With its schema, as SQL writes it: `control.route_change`. */
  readonly table: string;
  /** What to select, `id` among it, as SQL writes it. */
  readonly columns: string;
  /** Rows up to this id are known already. `0` begins at the first. */
  readonly afterId: string;
}

/** Reads a growing table to its end, again and again, and gives every row once. */
export interface SequenceTail<Row extends { readonly id: string }> {
  /**
   * At most `limit` rows, and those that committed late: rows not given before, each kind ordered by id. Empty when there
   * are none now. Calls must not overlap. When it rejects, nothing is lost: the next call gives the same rows.
   */
  next(limit: number): Promise<Row[]>;
  /** Whether the last call found nothing beyond what it gave. */
  readonly isAtEnd: boolean;
  /** Every row up to this id was given, or will never exist: where a reader may go on after a restart. */
  readonly settledId: string;
  /** Ids below the newest that may still appear, because whoever took them has not ended. */
  readonly missing: number;
}

/** Ids that were passed over, both ends included. */
interface Gap {
  readonly from: bigint;
  readonly to: bigint;
}

/**
 * Follows a table whose ids come from a sequence, without missing a row whose transaction took its id early and commits
 * late, and without reading again what it has passed. The sequence must give single values (`cache 1`), and a writer
 * must have its transaction id before it takes an id: a trigger on a row has, other writers call `pg_current_xact_id()`.
 *
 * An id that is passed over is a gap: looked for by itself until it appears, or until every transaction that was open
 * when the gap was seen has ended. So neither a long transaction, of whomever, nor dead rows below slow it down. After
 * the connection broke begin anew: a server that crashed with `synchronous_commit = off` may give ids a second time.
 */
export function createSequenceTail<Row extends { readonly id: string }>(
  options: SequenceTailOptions,
): SequenceTail<Row> {
  return new Tail<Row>(options);
}

class Tail<Row extends { readonly id: string }> implements SequenceTail<Row> {
  isAtEnd = false;
  private lastId: bigint;
  private gaps: readonly Gap[] = [];
  /** Gaps up to `id` can only be filled by transactions up to `xid`. */
  private probe: { readonly id: bigint; readonly xid: string } | undefined;

  constructor(private readonly options: SequenceTailOptions) {
    this.lastId = BigInt(options.afterId);
  }

  get settledId(): string {
    return `${this.gaps[0] === undefined ? this.lastId : this.gaps[0].from - 1n}`;
  }

  get missing(): number {
    return Number(this.gaps.reduce((sum, gap) => sum + gap.to - gap.from + 1n, 0n));
  }

  async next(limit: number): Promise<Row[]> {
    const { rows, isAtEnd } = await this.readNew(limit);
    // After the new ones: whatever was committed before one of those is seen too, and given before it.
    const late = this.gaps.length === 0 ? undefined : await this.readLate();
    const left = late?.left ?? [];
    const gaps = [...left, ...findGaps(this.lastId, rows)];
    const isProbeDone = late?.isProbeOver === true || left.length === 0;
    const probe = isProbeDone ? await this.startProbe(gaps) : this.probe;
    // Nothing can fail from here on: either all of it counts, or none.
    this.isAtEnd = isAtEnd;
    this.gaps = gaps;
    this.probe = probe;
    const newest = rows.at(-1);
    if (newest !== undefined) this.lastId = BigInt(newest.id);
    return [...(late?.rows ?? []), ...rows];
  }

  private async readLate(): Promise<{ rows: Row[]; left: Gap[]; isProbeOver: boolean }> {
    const { table, columns } = this.options;
    // One statement, so one snapshot: if the probed transactions have ended in it, it sees all that they wrote.
    const sql =
      "select s.over, t.* from (select pg_snapshot_xmin(pg_current_snapshot()) > $3::text::xid8 as over) s left join (" +
      "select t.* from unnest($1::bigint[], $2::bigint[]) gap (first, last) cross join lateral (" +
      `select ${columns} from ${table} where id between gap.first and gap.last) t) t on true ` +
      "order by t.id";
    const bounds = [this.gaps.map((gap) => `${gap.from}`), this.gaps.map((gap) => `${gap.to}`)];
    const result = await this.options.query(sql, [...bounds, this.probe?.xid ?? XID_MAX]);
    const answer = rowsOf<Row & { over: boolean }>(result);
    const isProbeOver = answer[0]?.over === true;
    const rows = answer.filter((row) => row.id !== null);
    const left = subtract(this.gaps, rows).filter((gap) => !isProbeOver || gap.to > (this.probe?.id ?? 0n));
    return { rows, left, isProbeOver };
  }

  /**
   * The next rows. A range of ids, not `order by … limit`: on a table that was never analyzed the planner would read and
   * sort all of it for that, each time.
   */
  private async readNew(limit: number): Promise<{ rows: Row[]; isAtEnd: boolean }> {
    const { table, columns } = this.options;
    const sql =
      `with tail as materialized (select min(id) as first from ${table} where id > $1::bigint), ` +
      `more as materialized (select min(id) is not null as more from ${table} where id >= (select first from tail) + $2::bigint) ` +
      `select (select more from more) as tail_more, ${columns} from ${table} ` +
      "where id >= (select first from tail) and id < (select first from tail) + $2::bigint order by id";
    const rows = rowsOf<Row & { tail_more: boolean }>(await this.options.query(sql, [`${this.lastId}`, limit]));
    return { rows, isAtEnd: rows[0]?.tail_more !== true };
  }

  /** From now on no transaction can begin that fills one of these gaps: those that can are older than this moment. */
  private async startProbe(gaps: readonly Gap[]): Promise<Tail<Row>["probe"]> {
    const last = gaps.at(-1);
    if (last === undefined) return undefined;
    const [row] = rowsOf<{ xid: string }>(await this.options.query("select pg_current_xact_id()::text as xid"));
    return row === undefined ? undefined : { id: last.to, xid: row.xid };
  }
}

/** Greater than any transaction id there will be: what is not probed is not over. */
const XID_MAX = "18446744073709551615";

/** The ids between `afterId` and the last of `rows` that are not among them. */
function findGaps(afterId: bigint, rows: readonly { readonly id: string }[]): Gap[] {
  const gaps: Gap[] = [];
  let expected = afterId + 1n;
  for (const row of rows) {
    const id = BigInt(row.id);
    if (id > expected) gaps.push({ from: expected, to: id - 1n });
    expected = id + 1n;
  }
  return gaps;
}

/** The gaps without the ids of `rows`; both in ascending order. */
function subtract(gaps: readonly Gap[], rows: readonly { readonly id: string }[]): Gap[] {
  const left: Gap[] = [];
  let index = 0;
  for (const gap of gaps) {
    let from = gap.from;
    for (let row = rows[index]; row !== undefined && BigInt(row.id) <= gap.to; row = rows[++index]) {
      const id = BigInt(row.id);
      if (id > from) left.push({ from, to: id - 1n });
      from = id + 1n;
    }
    if (from <= gap.to) left.push({ from, to: gap.to });
  }
  return left;
}
