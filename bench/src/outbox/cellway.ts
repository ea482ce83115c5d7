import { EmptySchema } from "@bufbuild/protobuf/wkt";
import {
  type Courier,
  createOutbox,
  type Outbox,
  type OutboxLimits,
  type OutboxSource,
  type OutgoingMessage,
  type Verdict,
} from "@cellway/outbox";
import type { LocalMode } from "@cellway/silo";
import { createLogger, createMetrics } from "@cellway/telemetry";
import type pg from "pg";
import type { BenchDatabase } from "./postgres.js";

/** A row to write. */
export interface Item {
  readonly shard: number;
  readonly object: number;
  /** Default `us1`. */
  readonly to?: string;
}

/** As large as a small entity: a text field of 100 characters, as protobuf writes it. */
export const CONTENT = Buffer.concat([Buffer.from([0x0a, 100]), Buffer.alloc(100, "x")]);

/** Writes rows, in order, in one transaction, as the triggers of replicated tables do. */
export async function writeRows(
  client: pg.Pool | pg.ClientBase,
  items: readonly Item[],
  localMode: LocalMode = "CONTROL",
): Promise<void> {
  const schema = localMode === "CONTROL" ? "control" : "cell";
  await client.query(
    `select ${schema}.outbox_write(array[d], 1, s, 1, o, $4) from unnest($1::text[], $2::bigint[], $3::bigint[])
     with ordinality as x (d, s, o, i) order by i`,
    [items.map((item) => item.to ?? "us1"), items.map((item) => item.shard), items.map((item) => item.object), CONTENT],
  );
}

/** Writes many rows, some hundred in each transaction. */
export async function fill(pool: pg.Pool, items: readonly Item[], localMode: LocalMode = "CONTROL"): Promise<void> {
  const client = await pool.connect();
  try {
    for (let at = 0; at < items.length; at += 500) await writeRows(client, items.slice(at, at + 500), localMode);
  } finally {
    client.release();
  }
}

/** The category of the bench: its rows hold their content. */
export function benchSource(sentBy: LocalMode = "CONTROL"): OutboxSource {
  return {
    category: { number: 1, content: EmptySchema, sentBy, scope: 1, lane: 1, attemptsMax: 1_000_000 },
    table: undefined,
    read: undefined,
  };
}

/** Opens an outbox; `start` makes it deliver. */
export function openOutbox(
  { url, pool }: BenchDatabase,
  courier: Courier,
  options: { localMode?: LocalMode; limits?: Partial<OutboxLimits> } = {},
): Outbox {
  const localMode = options.localMode ?? "CONTROL";
  const siloName = localMode === "CONTROL" ? "control" : "us1";
  return createOutbox({
    context: { localMode, siloName },
    // As TypeORM answers: rows alone, and rows with a count for an UPDATE.
    database: {
      async query(sql, parameters) {
        const result = await pool.query(sql, parameters);
        return result.command === "UPDATE" ? [result.rows, result.rowCount] : result.rows;
      },
    },
    databaseUrl: url,
    sources: [benchSource(localMode)],
    courier,
    logger: createLogger({ silo: siloName, level: "silent" }),
    metrics: createMetrics({ silo: siloName }),
    limits: options.limits ?? {},
  });
}

/** Handles one message; throws to refuse it. */
export type Handle = (message: OutgoingMessage) => Promise<void>;

/** A receiver in this process: one call of the handler for each message, the messages of a shard one after the other. */
export function createInProcessCourier(handle: Handle): Courier {
  return {
    async deliver(_destination, messages, { budgetMs }) {
      const verdicts = messages.map((): Verdict => ({ kind: "unfinished" }));
      const streams = new Map<string, number[]>();
      for (const [index, { shardId }] of messages.entries()) {
        const stream = streams.get(shardId);
        if (stream === undefined) streams.set(shardId, [index]);
        else stream.push(index);
      }
      const work = Promise.all([...streams.values()].map((stream) => handleStream(handle, messages, stream, verdicts)));
      let timer: NodeJS.Timeout | undefined;
      const over = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, budgetMs);
      });
      await Promise.race([work, over]);
      clearTimeout(timer);
      return [...verdicts];
    },
  };
}

async function handleStream(
  handle: Handle,
  messages: readonly OutgoingMessage[],
  stream: readonly number[],
  verdicts: Verdict[],
): Promise<void> {
  let hasFailed = false;
  for (const index of stream) {
    if (hasFailed) {
      verdicts[index] = { kind: "skipped" };
      continue;
    }
    try {
      await handle(messages[index] as OutgoingMessage);
      verdicts[index] = { kind: "delivered" };
    } catch (error) {
      hasFailed = true;
      verdicts[index] = { kind: "failed", error: (error as Error).message };
    }
  }
}

/** Rows that wait anywhere. */
export async function countRows(pool: pg.Pool, schema = "control"): Promise<number> {
  const { rows } = await pool.query(
    `select ((select count(*) from ${schema}.outbox) + (select count(*) from ${schema}.outbox_held)
      + (select count(*) from ${schema}.outbox_parked))::int as rows`,
  );
  return rows[0].rows;
}

/** Whether nothing waits. */
export async function isEmpty(pool: pg.Pool, schema = "control"): Promise<boolean> {
  const { rows } = await pool.query(
    `select not exists (select from ${schema}.outbox) and not exists (select from ${schema}.outbox_held) as empty`,
  );
  return rows[0].empty;
}

/** Empties the tables of an outbox. */
export async function clearOutbox(pool: pg.Pool, schema = "control"): Promise<void> {
  await pool.query(
    `truncate ${schema}.outbox, ${schema}.outbox_held, ${schema}.outbox_stream, ${schema}.outbox_parked`,
  );
}
