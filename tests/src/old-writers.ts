import pg from "pg";
import { listAsText, quote, type Row, type RowMaker } from "./row-maker.js";
import type { Table } from "./schema-catalog.js";

/** A statement of old code that failed. */
export interface WriteFailure {
  /** The migration that was being applied, or had been applied last. */
  readonly during: string;
  readonly table: string;
  readonly error: string;
}

/** Connections on which statements of an old release run, over and over. */
export interface OldWriters {
  readonly failures: readonly WriteFailure[];
  readonly statements: number;
  /** Waits until every writer has written every table after this. */
  round(): Promise<void>;
  stop(): Promise<void>;
}

/** How many write at once. */
const WRITERS = 4;
/** The longest wait for a round. */
const ROUND_MAX_MS = 60_000;
/** Failures that are kept: one that always happens would fill memory. */
const FAILURES_MAX = 100;

/**
 * Starts code that reads, inserts, updates and deletes in every table, with the columns that it knows and no others. A row
 * of its own is inserted, changed, read and deleted; rows that were there are updated to what they are.
 */
export async function startOldWriters(options: {
  url: string;
  tables: readonly Table[];
  maker: RowMaker;
  baseRows: readonly Row[];
  /** The longest that a statement may wait for a lock. */
  lockWaitMaxMs: number;
  /** What is being applied. */
  during: () => string;
}): Promise<OldWriters> {
  const clients = await Promise.all(Array.from({ length: WRITERS }, () => connect(options.url, options.lockWaitMaxMs)));
  const shared = { failures: [] as WriteFailure[], statements: 0, rounds: clients.map(() => 0), isStopped: false };
  const work = clients.map(async (client, index) => {
    while (!shared.isStopped) {
      for (const table of options.tables) {
        if (shared.isStopped) return;
        await writeTable(client, table, { ...options, shared });
      }
      shared.rounds[index] = (shared.rounds[index] ?? 0) + 1;
    }
  });
  return {
    failures: shared.failures,
    get statements() {
      return shared.statements;
    },
    async round() {
      // The one that is under way may have begun before.
      const wanted = shared.rounds.map((count) => count + 2);
      const deadline = Date.now() + ROUND_MAX_MS;
      while (shared.rounds.some((count, index) => count < (wanted[index] ?? 0))) {
        if (Date.now() > deadline) throw new Error(`the old writers made no round within ${ROUND_MAX_MS} ms`);
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
    async stop() {
      shared.isStopped = true;
      await Promise.all(work);
      await Promise.all(clients.map((client) => client.end()));
    },
  };
}

async function connect(url: string, lockWaitMaxMs: number): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, options: `-c lock_timeout=${lockWaitMaxMs}` });
  await client.connect();
  return client;
}

interface Writing {
  readonly maker: RowMaker;
  readonly baseRows: readonly Row[];
  readonly during: () => string;
  readonly shared: { failures: WriteFailure[]; statements: number };
}

async function writeTable(client: pg.Client, table: Table, writing: Writing): Promise<void> {
  const { shared, maker } = writing;
  const base = writing.baseRows.filter((row) => row.table === table);
  try {
    const kept = base[shared.statements % Math.max(1, base.length)];
    if (kept !== undefined) await touch(client, kept);
    shared.statements += 1;
    if (!(await maker.learn(client, table))) return;
    const rows = await maker.insert(client, table);
    const own = rows.at(-1) as Row;
    await touch(client, own);
    for (const row of rows.toReversed()) await remove(client, row);
    shared.statements += 2 * rows.length + 2;
  } catch (error) {
    const { message } = error as Error;
    if (shared.failures.length < FAILURES_MAX)
      shared.failures.push({ during: writing.during(), table: table.name, error: message });
  }
}

/** Sets every column of a row to what it is, and reads it. */
async function touch(client: pg.Client, row: Row): Promise<void> {
  const { table, values } = row;
  const key = table.primaryKey;
  if (key.length === 0) return;
  const changed = table.columns.filter(({ name, isGenerated }) => !key.includes(name) && !isGenerated);
  const where = key.map((name, index) => `${quote(name)} = $${index + 1}`).join(" and ");
  const parameters = key.map((name) => values[name]);
  if (changed.length > 0) {
    const set = changed.map(({ name }, index) => `${quote(name)} = $${key.length + index + 1}`).join(", ");
    const given = changed.map(({ name }) => values[name]);
    await client.query(`update ${table.name} set ${set} where ${where}`, [...parameters, ...given]);
  }
  await client.query(`select ${listAsText(table)} from ${table.name} where ${where}`, parameters);
}

async function remove(client: pg.Client, { table, values }: Row): Promise<void> {
  if (table.primaryKey.length === 0) return;
  const where = table.primaryKey.map((name, index) => `${quote(name)} = $${index + 1}`).join(" and ");
  await client.query(
    `delete from ${table.name} where ${where}`,
    table.primaryKey.map((name) => values[name]),
  );
}

/** Those of the given rows that have a key, as they are now, and null for one that is gone. */
export async function readRows(client: pg.ClientBase, rows: readonly Row[]): Promise<unknown[]> {
  const found: unknown[] = [];
  for (const { table, values } of rows) {
    if (table.primaryKey.length === 0) continue;
    const where = table.primaryKey.map((name, index) => `${quote(name)} = $${index + 1}`).join(" and ");
    const { rows: read } = await client.query(
      `select ${listAsText(table)} from ${table.name} where ${where}`,
      table.primaryKey.map((name) => values[name]),
    );
    found.push({ table: table.name, row: read[0] ?? null });
  }
  return found;
}
