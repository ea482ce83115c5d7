import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import { type EmbeddedPostgres, migrate, type Queryable, startEmbeddedPostgres } from "@cellway/database";
import { createLogger, createMetrics } from "@cellway/telemetry";
import { afterAll, afterEach, beforeAll, beforeEach } from "@jest/globals";
import pg from "pg";
import type { OutboxLimits } from "./limits.js";
import type { Courier } from "./message.js";
import { createOutbox, type Outbox } from "./outbox.js";
import { outboxMigrations } from "./schema.js";
import type { OutboxSource } from "./source.js";
import { FakeReceiver } from "./test-receiver.js";

/** Waits until the condition holds; for what no event tells. */
export async function eventually(condition: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`did not happen within ${timeoutMs} ms`);
    await delay(5);
  }
}

/** What does not end before it is let. */
export function createGate(): { readonly passed: Promise<void>; open(): void } {
  let open = () => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open: () => open() };
}

/** A source whose rows hold their content. */
export function contentSource(number: number, options: { lane?: number; attemptsMax?: number } = {}): OutboxSource {
  return {
    category: {
      number,
      content: EmptySchema,
      sentBy: "CONTROL",
      scope: 1,
      lane: options.lane ?? number,
      attemptsMax: options.attemptsMax ?? 5,
    },
    table: undefined,
    read: undefined,
  };
}

const TEST_NAME = "test";

/** A PostgreSQL for one test file, with the outbox of control in it. */
interface OutboxBench {
  /** Of the test itself. */
  readonly pool: pg.Pool;
  /** Of all its outboxes. */
  readonly outboxPool: pg.Pool;
  readonly url: string;
  stop(): Promise<void>;
}

async function startOutboxBench(): Promise<OutboxBench> {
  const dataDir = await mkdtemp(join(tmpdir(), "cellway-outbox-test-"));
  const postgres: EmbeddedPostgres = await startEmbeddedPostgres({ dataDir, durable: false });
  const url = await postgres.createDatabase("outbox");
  await migrate({ url, sets: [await outboxMigrations("CONTROL")] });
  const pool = new pg.Pool({ connectionString: url, max: 24, application_name: TEST_NAME });
  const outboxPool = new pg.Pool({ connectionString: url, max: 24 });
  // A server that crashes keeps what was committed.
  await pool.query("alter database outbox set synchronous_commit = on");
  // Connections are ended under them.
  pool.on("error", () => {});
  outboxPool.on("error", () => {});
  return {
    pool,
    outboxPool,
    url,
    async stop() {
      await Promise.all([pool.end(), outboxPool.end()]);
      await postgres.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Empties every table of the outbox. */
async function clearOutbox({ pool }: OutboxBench): Promise<void> {
  await pool.query(
    "truncate control.outbox, control.outbox_held, control.outbox_stream, control.outbox_parked, control.outbox_pause, control.outbox_depth",
  );
  await pool.query("update control.outbox_lease set holder = null, expires_at = '-infinity'");
}

/** A change to be told. */
interface Change {
  readonly shard: number;
  readonly object: number;
  readonly category?: number;
  readonly to?: string;
  readonly text?: string;
}

/** Writes changes, in order, in one transaction of `client`. */
async function writeChanges(client: pg.Pool | pg.PoolClient, changes: readonly Change[]): Promise<void> {
  await client.query(
    `select control.outbox_write(array[d], 1, s, c, o, convert_to(t, 'UTF8'))
     from unnest($1::text[], $2::bigint[], $3::int[], $4::bigint[], $5::text[]) with ordinality as x (d, s, c, o, t, i) order by i`,
    [
      changes.map((change) => change.to ?? "us1"),
      changes.map((change) => change.shard),
      changes.map((change) => change.category ?? 1),
      changes.map((change) => change.object),
      changes.map((change) => change.text ?? "x"),
    ],
  );
}

/** How an outbox of a test differs. */
export interface TestOutboxOptions {
  readonly sources?: readonly OutboxSource[];
  readonly limits?: Partial<OutboxLimits>;
  readonly courier?: Courier;
  /** Called before each statement; throws to fail it, or waits. */
  readonly onQuery?: (sql: string) => void | Promise<void>;
}

/** As TypeORM answers: rows alone, and rows with a count for an UPDATE. */
function queryableOf(pool: pg.Pool, onQuery?: TestOutboxOptions["onQuery"]): Queryable {
  return {
    async query(sql, parameters) {
      await onQuery?.(sql);
      const result = await pool.query(sql, parameters);
      return result.command === "UPDATE" ? [result.rows, result.rowCount] : result.rows;
    },
  };
}

/** An outbox of control on this database. */
function openOutbox(
  bench: OutboxBench,
  courier: Courier,
  options: TestOutboxOptions = {},
): Outbox & { readonly log: string[] } {
  const log: string[] = [];
  const outbox = createOutbox({
    context: { localMode: "CONTROL", siloName: "control" },
    database: queryableOf(bench.outboxPool, options.onQuery),
    databaseUrl: bench.url,
    sources: options.sources ?? [contentSource(1), contentSource(2)],
    courier,
    logger: createLogger({ silo: "control", level: "debug", stream: { write: (line) => void log.push(line) } }),
    metrics: createMetrics({ silo: "control" }),
    limits: { leaseMs: 3_000, backoffMs: 20, backoffMaxMs: 200, ...options.limits },
  });
  return Object.assign(outbox, { log });
}

/** The rows in each table. */
async function countRows({
  pool,
}: OutboxBench): Promise<{ hot: number; held: number; parked: number; streams: number }> {
  const { rows } = await pool.query(
    `select (select count(*)::int from control.outbox) as hot, (select count(*)::int from control.outbox_held) as held,
      (select count(*)::int from control.outbox_parked) as parked, (select count(*)::int from control.outbox_stream) as streams`,
  );
  return rows[0];
}

const EMPTY = { hot: 0, held: 0, parked: 0, streams: 0 };

/** What the tests of a file share; each begins with empty tables and a receiver that behaves. */
export class OutboxTests {
  bench: OutboxBench = undefined as never;
  receiver = new FakeReceiver();
  private readonly open: Outbox[] = [];

  /** Call once, at the top of a test file. */
  static install(): OutboxTests {
    const tests = new OutboxTests();
    beforeAll(async () => {
      tests.bench = await startOutboxBench();
    }, 30_000);
    afterAll(() => tests.bench?.stop());
    beforeEach(async () => {
      await clearOutbox(tests.bench);
      tests.receiver = new FakeReceiver();
    });
    afterEach(async () => {
      await Promise.all(tests.open.splice(0).map((outbox) => outbox.stop()));
    });
    return tests;
  }

  /** An outbox that delivers to the receiver; stopped after the test. */
  start(options: TestOutboxOptions = {}): ReturnType<typeof openOutbox> {
    const outbox = openOutbox(this.bench, options.courier ?? this.receiver, options);
    this.open.push(outbox);
    outbox.start();
    return outbox;
  }

  write(changes: readonly Change[]): Promise<void> {
    return writeChanges(this.bench.pool, changes);
  }

  /** A transaction that has written and is not over. */
  async writeOpen(changes: readonly Change[]): Promise<{ end(how: "commit" | "rollback"): Promise<void> }> {
    const client = await this.bench.pool.connect();
    await client.query("begin");
    await writeChanges(client, changes);
    return {
      async end(how) {
        await client.query(how);
        client.release();
      },
    };
  }

  query<Row extends pg.QueryResultRow>(sql: string, parameters: unknown[] = []): Promise<Row[]> {
    return this.bench.pool.query<Row>(sql, parameters).then(({ rows }) => rows);
  }

  /** Empties every table, and forgets what was received. */
  async clear(): Promise<void> {
    await clearOutbox(this.bench);
    const { handle, admit, answer } = this.receiver;
    this.receiver = Object.assign(new FakeReceiver(), { handle, admit, answer });
  }

  /** Ends every connection of outboxes. */
  async cutConnections(): Promise<void> {
    await this.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name <> $1",
      [TEST_NAME],
    );
  }

  /** Kills a server process hard: PostgreSQL ends every connection, recovers and goes on. */
  async restartPostgres(): Promise<void> {
    const [row] = await this.query<{ pid: number }>("select pg_backend_pid() as pid");
    if (row !== undefined) process.kill(row.pid, "SIGKILL");
    await eventually(() =>
      this.query("select 1").then(
        () => true,
        () => false,
      ),
    );
  }

  /** The database as an outbox takes it. */
  queryable(): Queryable {
    return queryableOf(this.bench.pool);
  }

  /** What a process that died leaves behind: nobody waits for it. */
  leave(outbox: Outbox): void {
    void outbox.stop();
  }

  /** Why streams do not flow, as an operator sees it. */
  streams(): Promise<
    { destination: string; shard_id: string; lane: number; state: string; attempts: number; error: string }[]
  > {
    return this.query(
      "select destination, shard_id, lane, state, attempts, error from control.outbox_stream order by 1, 2, 3",
    );
  }

  count(): ReturnType<typeof countRows> {
    return countRows(this.bench);
  }

  /** Waits until everything is delivered and nothing is left. */
  async untilEmpty(): Promise<void> {
    await eventually(async () => JSON.stringify(await this.count()) === JSON.stringify(EMPTY), 20_000);
  }
}

/** `count` changes. */
export function range(count: number, change: (index: number) => Change): Change[] {
  return Array.from({ length: count }, (_, index) => change(index));
}
