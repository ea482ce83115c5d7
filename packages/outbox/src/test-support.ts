import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import { type EmbeddedPostgres, migrate, startEmbeddedPostgres } from "@cellway/database";
import { createLogger, createMetrics } from "@cellway/telemetry";
import { afterAll, afterEach, beforeAll, beforeEach } from "@jest/globals";
import pg from "pg";
import type { OutboxLimits } from "./limits.js";
import { type Courier, DestinationAwayError, type OutgoingMessage, streamKeyOf, type Verdict } from "./message.js";
import { createOutbox, type Outbox } from "./outbox.js";
import { outboxMigrations } from "./schema.js";
import type { OutboxSource } from "./source.js";

/** Waits until the condition holds; for what no event tells. */
export async function eventually(condition: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`did not happen within ${timeoutMs} ms`);
    await delay(5);
  }
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

/** A PostgreSQL for one test file, with the outbox of control in it. */
interface OutboxBench {
  readonly pool: pg.Pool;
  readonly url: string;
  stop(): Promise<void>;
}

async function startOutboxBench(): Promise<OutboxBench> {
  const dataDir = await mkdtemp(join(tmpdir(), "cellway-outbox-test-"));
  const postgres: EmbeddedPostgres = await startEmbeddedPostgres({ dataDir, durable: false });
  const url = await postgres.createDatabase("outbox");
  await migrate({ url, sets: [await outboxMigrations("CONTROL")] });
  const pool = new pg.Pool({ connectionString: url, max: 24 });
  // The server may be gone before its last connection.
  pool.on("error", () => {});
  return {
    pool,
    url,
    async stop() {
      await pool.end();
      await postgres.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Empties every table of the outbox. */
async function clearOutbox({ pool }: OutboxBench): Promise<void> {
  await pool.query(
    "truncate control.outbox, control.outbox_held, control.outbox_stream, control.outbox_parked, control.outbox_pause",
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

/** The other side: remembers what it was told, and can be made to misbehave. */
class FakeReceiver implements Courier {
  readonly received: OutgoingMessage[] = [];
  /** The newest text of each object. */
  readonly states = new Map<string, string>();
  /** Messages that came after a later one of their stream. */
  inversions = 0;
  readonly away = new Set<string>();
  /** Called for each message; throws to fail it, or waits to be slow. */
  handle: (message: OutgoingMessage) => void | Promise<void> = () => {};
  private readonly versions = new Map<string, bigint>();
  private readonly streams = new Map<string, bigint>();
  private readonly busy = new Set<string>();
  overlaps = 0;

  async deliver(
    destination: string,
    messages: readonly OutgoingMessage[],
    { budgetMs }: { budgetMs: number },
  ): Promise<Verdict[]> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.away.has(destination)) throw new DestinationAwayError(destination);
    const verdicts: Verdict[] = messages.map(() => ({ kind: "unfinished" }));
    const byStream = new Map<string, number[]>();
    messages.forEach((message, index) => {
      const key = streamKeyOf(message);
      byStream.set(key, [...(byStream.get(key) ?? []), index]);
    });
    const work = Promise.all(
      [...byStream].map(([key, indexes]) => this.handleStream(key, indexes, messages, verdicts)),
    );
    let timer: NodeJS.Timeout | undefined;
    const budget = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, budgetMs);
    });
    await Promise.race([work, budget]);
    clearTimeout(timer);
    return [...verdicts];
  }

  private async handleStream(
    key: string,
    indexes: readonly number[],
    messages: readonly OutgoingMessage[],
    verdicts: Verdict[],
  ): Promise<void> {
    if (this.busy.has(key)) this.overlaps += 1;
    this.busy.add(key);
    let hasFailed = false;
    for (const index of indexes) {
      const message = messages[index] as OutgoingMessage;
      if (hasFailed) {
        verdicts[index] = { kind: "skipped" };
        continue;
      }
      try {
        const result = this.handle(message);
        if (result !== undefined) await result;
        this.accept(key, message);
        verdicts[index] = { kind: "delivered" };
      } catch (error) {
        hasFailed = true;
        verdicts[index] = { kind: "failed", error: (error as Error).message };
      }
    }
    this.busy.delete(key);
  }

  private accept(key: string, message: OutgoingMessage): void {
    this.received.push(message);
    const version = BigInt(message.version);
    const object = `${message.destination}/${message.shardId}/${message.category}/${message.objectId}`;
    if (version < (this.streams.get(key) ?? 0n)) this.inversions += 1;
    this.streams.set(key, version);
    if (version <= (this.versions.get(object) ?? 0n)) return;
    this.versions.set(object, version);
    this.states.set(object, Buffer.from(message.content ?? []).toString());
  }
}

/** An outbox of control on this database. */
function openOutbox(
  bench: OutboxBench,
  courier: Courier,
  options: { sources?: readonly OutboxSource[]; limits?: Partial<OutboxLimits>; pool?: pg.Pool } = {},
): Outbox & { readonly log: string[] } {
  const log: string[] = [];
  const pool = options.pool ?? bench.pool;
  const outbox = createOutbox({
    context: { localMode: "CONTROL", siloName: "control" },
    // As TypeORM answers: rows alone, and rows with a count for an UPDATE.
    database: {
      async query(sql, parameters) {
        const result = await pool.query(sql, parameters);
        return result.command === "UPDATE" ? [result.rows, result.rowCount] : result.rows;
      },
    },
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
  start(options: Parameters<typeof openOutbox>[2] = {}): ReturnType<typeof openOutbox> {
    const outbox = openOutbox(this.bench, this.receiver, options);
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
