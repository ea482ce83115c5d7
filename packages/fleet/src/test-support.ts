import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { migrate, openDatabase, rowsOf, type SiloDatabase, startEmbeddedPostgres } from "@cellway/database";
import { createLogger, createUsageLog, type UsageLog } from "@cellway/telemetry";
import { createProcessRegistry, type ProcessRegistry, type ProcessRegistryOptions } from "./registry.js";
import { fleetMigrations } from "./schema.js";

/** A process of the cell us1. */
export interface TestProcess extends ProcessRegistry {
  readonly usage: UsageLog;
  readonly log: readonly string[];
}

/** The database of a cell, and a clock that stands still. */
export interface FleetBench {
  readonly url: string;
  readonly database: SiloDatabase;
  /** Milliseconds since the epoch. */
  nowMs: number;
  /** A process that is not started; stopped at the end. */
  create(version: string, counted: readonly string[], options?: Partial<ProcessRegistryOptions>): TestProcess;
  /** Ends it as SIGKILL does, as far as the database can tell: nothing is written any more. */
  killHard(process: TestProcess): void;
  query<Row>(sql: string, parameters?: unknown[]): Promise<Row[]>;
  /** Ends every process, and empties every table. */
  clear(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a PostgreSQL for one test file. */
export async function startFleetBench(): Promise<FleetBench> {
  const dataDir = await mkdtemp(join(tmpdir(), "cellway-fleet-test-"));
  const postgres = await startEmbeddedPostgres({ dataDir, durable: false });
  const url = await postgres.createDatabase("cell");
  await migrate({ url, sets: [await fleetMigrations("CELL")] });
  const database = await openDatabase({ localMode: "CELL", siloName: "us1", url, entities: [] });
  const processes: TestProcess[] = [];
  const killed = new Set<TestProcess>();
  const bench: FleetBench = {
    url,
    database,
    nowMs: Date.now(),
    create(version, counted, options = {}) {
      const log: string[] = [];
      const usage = createUsageLog();
      for (const subject of counted) usage.declare("METHOD", subject);
      const logger = createLogger({ silo: "us1", level: "debug", stream: { write: (line) => void log.push(line) } });
      const named = {
        localMode: "CELL" as const,
        siloName: "us1",
        build: () => ({ version, contract: `contract of ${version}` }),
      };
      const guarded: Pick<SiloDatabase, "query"> = {
        async query(sql: string, parameters?: unknown[]) {
          if (killed.has(created)) throw new Error("a process that was killed does nothing");
          return database.query(sql, parameters);
        },
      };
      const registry = createProcessRegistry({
        database: guarded,
        ...named,
        usage,
        logger,
        now: () => bench.nowMs,
        ...options,
      });
      const created: TestProcess = Object.assign(registry, { usage, log });
      processes.push(created);
      return created;
    },
    killHard: (process) => void killed.add(process),
    query: async <Row>(sql: string, parameters?: unknown[]) => rowsOf<Row>(await database.query(sql, parameters)),
    async clear() {
      await Promise.all(processes.splice(0).map((process) => process.stop()));
      await database.query("truncate cell.process, cell.deprecated_use, cell.deprecated_watch");
    },
    async stop() {
      await bench.clear();
      await database.destroy();
      await postgres.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
  return bench;
}

/** Waits until the condition holds; for what no event tells. */
export async function eventually(condition: () => Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`did not happen within ${timeoutMs} ms`);
    await delay(5);
  }
}
