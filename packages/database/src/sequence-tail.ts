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
   * At most `limit` rows, and those that committed late: rows not given before, ordered by id. Empty when there are none
   * now. Calls must not overlap. When it rejects, nothing is lost: the next call gives the same rows.
   */
  next(limit: number): Promise<Row[]>;
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
  const { table, columns } = options;
  let lastId = BigInt(options.afterId);
  let gaps: Gap[] = [];
  /** Gaps up to `id` can only be filled by transactions up to `xid`. */
  let probe: { readonly id: bigint; readonly xid: string } | undefined;

  async function readLate(): Promise<{ rows: Row[]; left: Gap[]; isProbeOver: boolean }> {
    // One statement, so one snapshot: if the probed transactions have ended in it, it sees all that they wrote.
    const sql =
      "select s.over, t.* from (select pg_snapshot_xmin(pg_current_snapshot()) > $3::text::xid8 as over) s left join (" +
      "select t.* from unnest($1::bigint[], $2::bigint[]) gap (first, last) cross join lateral (" +
      `select ${columns} from ${table} where id between gap.first and gap.last) t) t on true ` +
      "order by t.id";
    const parameters = [gaps.map((gap) => `${gap.from}`), gaps.map((gap) => `${gap.to}`), probe?.xid ?? MAX_XID];
    const answer = rowsOf<Row & { over: boolean }>(await options.query(sql, parameters));
    const isProbeOver = answer[0]?.over === true;
    const rows = answer.filter((row) => row.id !== null);
    const left = subtract(gaps, rows).filter((gap) => !isProbeOver || gap.to > (probe?.id ?? 0n));
    return { rows, left, isProbeOver };
  }

  async function readNew(limit: number): Promise<Row[]> {
    const sql = `select ${columns} from ${table} where id > $1::bigint order by id limit $2::int`;
    return rowsOf<Row>(await options.query(sql, [`${lastId}`, limit]));
  }

  return {
    get settledId() {
      return `${gaps[0] === undefined ? lastId : gaps[0].from - 1n}`;
    },
    get missing() {
      return Number(gaps.reduce((sum, gap) => sum + gap.to - gap.from + 1n, 0n));
    },
    async next(limit) {
      const late = gaps.length === 0 ? undefined : await readLate();
      const rows = await readNew(limit);
      const left = late?.left ?? [];
      const passed = findGaps(lastId, rows);
      let nextProbe = late?.isProbeOver === true || left.length === 0 ? undefined : probe;
      if (nextProbe === undefined && left.length + passed.length > 0) {
        const [row] = rowsOf<{ xid: string }>(await options.query("select pg_current_xact_id()::text as xid"));
        const last = passed.at(-1) ?? left.at(-1);
        if (row !== undefined && last !== undefined) nextProbe = { id: last.to, xid: row.xid };
      }
      gaps = [...left, ...passed];
      probe = nextProbe;
      const newest = rows.at(-1);
      if (newest !== undefined) lastId = BigInt(newest.id);
      return [...(late?.rows ?? []), ...rows];
    },
  };
}

/** Greater than any transaction id there will be: what is not probed is not over. */
const MAX_XID = "18446744073709551615";

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
