import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import {
  CellEntity,
  CrossSiloReference,
  IdColumn,
  type Migration,
  migrate,
  openDatabase,
  rowsOf,
  type SiloDatabase,
  startEmbeddedPostgres,
} from "@cellway/database";
import { createLogger, createMetrics, type Metrics } from "@cellway/telemetry";
import { Column, PrimaryColumn } from "typeorm";
import { cascadeTombstones } from "./cascade.js";
import { type CascadeRule, type Reference, resolveReferences } from "./references.js";
import { tombstoneMigrations } from "./schema.js";
import { type ReferenceStatus, readTombstoneStatus } from "./status.js";

/** Goes with its author; keeps its editor; loses its reviewer. */
@CellEntity("note")
export class Note {
  @IdColumn()
  id!: string;

  @Column({ type: "bigint", name: "author_id" })
  @CrossSiloReference("control.user", { onDelete: "cascade" })
  authorId!: string;

  @Column({ type: "bigint", name: "editor_id", nullable: true })
  @CrossSiloReference("control.user", { onDelete: "nothing" })
  editorId!: string | null;

  @Column({ type: "bigint", name: "reviewer_id", nullable: true })
  @CrossSiloReference("control.user", { onDelete: "set null" })
  reviewerId!: string | null;
}

/** Has a key of two columns, one of them the reference. */
@CellEntity("reader")
export class Reader {
  @PrimaryColumn({ type: "bigint", name: "note_id" })
  noteId!: string;

  @PrimaryColumn({ type: "bigint", name: "user_id" })
  @CrossSiloReference("control.user", { onDelete: "cascade" })
  userId!: string;
}

const TABLES = `
  create table cell.note (id bigint primary key, author_id bigint not null, editor_id bigint, reviewer_id bigint);
  create index on cell.note (author_id);
  create index on cell.note (reviewer_id) where reviewer_id is not null;
  create table cell.reader (note_id bigint, user_id bigint, primary key (note_id, user_id));
  create index on cell.reader (user_id);
  create table cell.pin (note_id bigint references cell.note (id));
  select cell.tombstone_reference('note', 'author_id', 'control.user');
  select cell.tombstone_reference('note', 'reviewer_id', 'control.user');
  select cell.tombstone_reference('reader', 'user_id', 'control.user');`;

/** A migration that a test wrote. */
export function migrationOf(name: string, sql: string): Migration {
  return { name, phase: "expand", sql, checksum: createHash("sha256").update(sql).digest("hex") };
}

/** A cell with a few tables that refer to users. */
export interface TombstoneBench {
  readonly url: string;
  readonly database: SiloDatabase;
  readonly references: readonly Reference[];
  readonly metrics: Metrics;
  query<Row>(sql: string, parameters?: unknown[]): Promise<Row[]>;
  /** Notes that a user is gone, as a message does. */
  record(userId: number, version?: number): Promise<void>;
  /** One run. */
  cascade(limits?: { batchRows?: number; batchesMax?: number }, rules?: readonly CascadeRule[]): Promise<void>;
  status(): Promise<ReferenceStatus[]>;
  /** Runs until nothing is left to do. */
  finish(): Promise<void>;
  clear(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a PostgreSQL for one test file, with the tables in it. */
export async function startTombstoneBench(): Promise<TombstoneBench> {
  const dataDir = await mkdtemp(join(tmpdir(), "cellway-tombstones-test-"));
  const postgres = await startEmbeddedPostgres({ dataDir, durable: false });
  const url = await postgres.createDatabase("cell");
  const tables = {
    service: "notes",
    localMode: "CELL" as const,
    migrations: [migrationOf("0001.expand.a.sql", TABLES)],
  };
  await migrate({ url, sets: [await tombstoneMigrations("CELL"), tables] });
  const database = await openDatabase({ localMode: "CELL", siloName: "us1", url, entities: [Note, Reader] });
  const metrics = createMetrics({ silo: "us1" });
  const logger = createLogger({ silo: "us1", level: "debug", stream: { write: () => {} } });
  const references = resolveReferences([Note, Reader], []);
  const bench: TombstoneBench = {
    url,
    database,
    references,
    metrics,
    query: async <Row>(sql: string, parameters?: unknown[]) => rowsOf<Row>(await database.query(sql, parameters)),
    async record(userId, version = 1) {
      await database.query("select cell.tombstone_record('control.user', $1, $2)", [userId, version]);
    },
    cascade: (limits = {}, rules) =>
      cascadeTombstones({
        database,
        references: rules === undefined ? references : resolveReferences([Note, Reader], rules),
        metrics,
        logger,
        limits,
      }),
    status: () => readTombstoneStatus(database, "CELL"),
    finish: () =>
      eventually(async () => {
        await bench.cascade();
        return (await bench.status()).length === 0;
      }),
    async clear() {
      await database.query("truncate cell.tombstone, cell.tombstone_cascade, cell.note, cell.reader, cell.pin");
    },
    async stop() {
      await database.destroy();
      await postgres.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
  return bench;
}

/** Waits until the condition holds; for what no event tells. */
async function eventually(condition: () => Promise<boolean>, timeoutMs = 15_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`did not happen within ${timeoutMs} ms`);
    await delay(5);
  }
}
