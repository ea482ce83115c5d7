import type pg from "pg";
import { clearOutbox, createInProcessCourier, fill, type Item, isEmpty, openOutbox } from "./cellway.js";
import { assertClean, eventually, Ledger, startCpuClock } from "./ledger.js";
import type { BenchDatabase } from "./postgres.js";

/** What a backlog looks like. */
export interface Shape {
  readonly name: string;
  readonly items: readonly Item[];
  /** Different objects: as many messages remain when everything coalesces. */
  readonly objects: number;
}

/** What a drain came to. */
export interface DrainResult {
  /** Rows that are dealt with, those that coalesced included. */
  readonly rowsPerSecond: number;
  readonly messagesPerSecond: number;
  /** CPU of this process for each of those rows, in microseconds; the database's is not in it. */
  readonly cpuMicrosPerRow: number;
  readonly inversions: number;
  /** Not drained within the time that a peer is given. */
  readonly left: number;
}

/** Drains a backlog, in one of several ways. */
export interface Drainer {
  readonly name: string;
  /** Whether the messages of a shard come in order. */
  readonly promises: string;
  drain(shape: Shape): Promise<DrainResult>;
}

/** The backlogs: many shards, some, and one of which nine of ten rows coalesce. */
export function createShapes(factor: number): Shape[] {
  const rows = 10_000 * factor;
  const shards = 100 * (factor === 1 ? 1 : factor);
  const range = (item: (index: number) => Item) => Array.from({ length: rows }, (_, index) => item(index));
  return [
    { name: `${rows} x 1`, objects: rows, items: range((index) => ({ shard: index, object: index })) },
    {
      name: `${shards} x ${rows / shards}`,
      objects: rows,
      items: range((index) => ({ shard: index % shards, object: index })),
    },
    {
      name: `1 x ${rows}, 90 % coalescible`,
      objects: rows / 10,
      items: range((index) => ({ shard: 1, object: index % (rows / 10) })),
    },
  ];
}

/** Our outbox with a receiver in the same process: from its start until the last row is gone. */
export function createCellwayDrainer(database: BenchDatabase): Drainer {
  return {
    name: "cellway outbox",
    promises: "order, coalescing",
    async drain({ name, items, objects }) {
      await clearOutbox(database.pool);
      await fill(database.pool, items);
      const ledger = new Ledger();
      const outbox = openOutbox(
        database,
        createInProcessCourier(async ({ shardId, version }) => ledger.take(shardId, Number(version))),
      );
      const cpu = startCpuClock();
      const startedAt = performance.now();
      let seconds = 0;
      outbox.start();
      try {
        await ledger.until(objects, 60_000);
        await eventually(() => isEmpty(database.pool), 10_000, `${name}: the end of the drain`);
        seconds = (performance.now() - startedAt) / 1_000;
      } finally {
        await outbox.stop();
      }
      assertClean(name, ledger, objects, 0);
      return {
        rowsPerSecond: items.length / seconds,
        messagesPerSecond: objects / seconds,
        cpuMicrosPerRow: cpu() / items.length,
        inversions: 0,
        left: 0,
      };
    },
  };
}

/** What the table itself can do: rows per second, written and deleted in batches, with no queue around it. */
export async function measureCeilings({ pool }: BenchDatabase, rows: number): Promise<Record<string, number>> {
  await clearOutbox(pool);
  const client = await pool.connect();
  try {
    const plain = await timeBatches(rows, 500, (at, count) =>
      client.query(
        `insert into control.outbox (id, destination, scope, shard_id, category, object_id, content)
         select nextval('control.outbox_id'), 'us1', 1, i, 1, i, $3 from generate_series($1::bigint, $2::bigint) i`,
        [at, at + count - 1, Buffer.alloc(100, "x")],
      ),
    );
    const { rows: ids } = await client.query<{ id: string }>("select id from control.outbox order by id");
    const deleted = await timeBatches(rows, 500, (at, count) => deleteIds(client, ids.slice(at, at + count)));
    const written = await timeBatches(rows, 500, (at, count) =>
      client.query(
        "select control.outbox_write(array['us1'], 1, i, 1, i, $3) from generate_series($1::bigint, $2::bigint) i",
        [at, at + count - 1, Buffer.alloc(100, "x")],
      ),
    );
    const { rows: more } = await client.query<{ id: string }>("select id from control.outbox order by id");
    const deletedMany = await timeBatches(rows, 5_000, (at, count) => deleteIds(client, more.slice(at, at + count)));
    return {
      "insert, 500 rows a transaction": plain,
      "outbox_write, 500 rows a transaction": written,
      "delete by ids, 500 rows a statement": deleted,
      "delete by ids, 5000 rows a statement": deletedMany,
    };
  } finally {
    client.release();
  }
}

function deleteIds(client: pg.ClientBase, ids: readonly { id: string }[]): Promise<unknown> {
  return client.query("delete from control.outbox where id = any($1::bigint[])", [ids.map(({ id }) => id)]);
}

async function timeBatches(
  rows: number,
  batch: number,
  work: (at: number, count: number) => Promise<unknown>,
): Promise<number> {
  const startedAt = performance.now();
  for (let at = 0; at < rows; at += batch) await work(at, Math.min(batch, rows - at));
  return (rows / (performance.now() - startedAt)) * 1_000;
}
