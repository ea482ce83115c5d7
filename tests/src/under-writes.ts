import { type MigrationSet, migrate, pendingMigrations } from "@cellway/database";
import pg from "pg";
import { readRows, startOldWriters, type WriteFailure } from "./old-writers.js";
import { listAsText, type Row, RowMaker } from "./row-maker.js";
import { type ReleaseSchema, readTables, type Table } from "./schema-catalog.js";

/** What came of migrations that were applied while an old release wrote. */
export interface UnderWrites {
  /** The migrations that were applied, as `service/name`. */
  readonly applied: readonly string[];
  /** Those that could not be, and why. */
  readonly refused: readonly string[];
  readonly failures: readonly WriteFailure[];
  /** Rows that are not as they were, as old code sees them. */
  readonly changed: readonly unknown[];
  /** Tables that hold no row: nothing is known of them. */
  readonly empty: readonly string[];
  /** Tables that take no new row, so that only the rows that were there were written. */
  readonly onlyUpdated: readonly string[];
  /** Statements of old code that succeeded. */
  readonly statements: number;
}

/** The longest that a statement of old code may wait for a lock: twice what `migrate` holds others up while it waits. */
const LOCK_WAIT_MAX_MS = 1_000;
const SEED = 20_261_126;

/**
 * Brings a database to the schema of a release, fills every table, and applies each newer expand step while the statements
 * of that release run beside it, and once around afterwards. Contract steps that need a newer release are left out: they
 * are not applied beside this one.
 *
 * @param rowsPerTable - at least so many; a check of all rows takes as long as there are rows.
 */
export async function migrateUnderWrites(options: {
  url: string;
  sets: readonly MigrationSet[];
  release: ReleaseSchema;
  rowsPerTable?: number;
}): Promise<UnderWrites> {
  const { url, release } = options;
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const old = options.sets.map((set) => cut(set, release, new Set()));
    await migrate({ url, sets: old });
    const tables = await readTables(client, release);
    const maker = new RowMaker(tables, SEED);
    const onlyUpdated = await fill(client, tables, { maker, rowsPerTable: options.rowsPerTable ?? 10 });
    const baseRows = await readBase(client, tables);
    maker.protect(baseRows);
    const empty = tables.filter((table) => !baseRows.some((row) => row.table === table)).map(({ name }) => name);
    return { ...(await applyEach(client, options, { tables, maker, baseRows })), empty, onlyUpdated };
  } finally {
    await client.end();
  }
}

async function applyEach(
  client: pg.Client,
  { url, sets, release }: { url: string; sets: readonly MigrationSet[]; release: ReleaseSchema },
  parts: { tables: readonly Table[]; maker: RowMaker; baseRows: readonly Row[] },
): Promise<Omit<UnderWrites, "empty" | "onlyUpdated">> {
  const pending = await pendingMigrations({ query: (sql, parameters) => client.query(sql, parameters), sets });
  const before = await readRows(client, parts.baseRows);
  const added = new Set<string>();
  const [applied, refused]: [string[], string[]] = [[], []];
  let during = "nothing";
  const writers = await startOldWriters({ url, ...parts, lockWaitMaxMs: LOCK_WAIT_MAX_MS, during: () => during });
  try {
    await writers.round();
    for (const { service, localMode, migration } of pending) {
      if (migration.phase === "contract") continue;
      during = `${service}/${migration.name}`;
      added.add(`${localMode.toLowerCase()}/${during}`);
      try {
        await migrate({ url, sets: sets.map((set) => cut(set, release, added)), phase: "expand" });
        applied.push(during);
      } catch (error) {
        refused.push((error as Error).message);
        break;
      }
      await writers.round();
    }
  } finally {
    await writers.stop();
  }
  const isReadable = writers.failures.length === 0;
  const after = isReadable ? await readRows(client, parts.baseRows) : before;
  const changed = after.filter((row, index) => JSON.stringify(row) !== JSON.stringify(before[index]));
  return { applied, refused, changed, failures: writers.failures, statements: writers.statements };
}

/** The migrations of a set that the release has, and of newer ones those that are named. */
function cut(set: MigrationSet, release: ReleaseSchema, added: ReadonlySet<string>): MigrationSet {
  const name = `${set.localMode.toLowerCase()}/${set.service}`;
  const known = release.migrations[name] ?? [];
  const migrations = set.migrations.filter(
    (migration) => known.includes(migration.name) || added.has(`${name}/${migration.name}`),
  );
  return { ...set, migrations };
}

/** @returns the tables that take no new row */
async function fill(
  client: pg.Client,
  tables: readonly Table[],
  { maker, rowsPerTable }: { maker: RowMaker; rowsPerTable: number },
): Promise<string[]> {
  const closed: string[] = [];
  for (const table of tables) {
    if (!(await maker.learn(client, table))) {
      closed.push(table.name);
      continue;
    }
    const { rows } = await client.query(`select count(*)::int as count from ${table.name}`);
    const count = (rows[0] as { count: number }).count;
    for (let more = count; more < rowsPerTable; more += 1) await maker.insert(client, table);
  }
  return closed;
}

async function readBase(client: pg.Client, tables: readonly Table[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const table of tables) {
    const found = await client.query(`select ${listAsText(table)} from ${table.name} limit 1000`);
    rows.push(...found.rows.map((values) => ({ table, values: values as Row["values"] })));
  }
  return rows;
}
