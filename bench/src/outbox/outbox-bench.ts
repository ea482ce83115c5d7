import { mkdir, writeFile } from "node:fs/promises";
import { cpus, loadavg } from "node:os";
import { dirname } from "node:path";
import type { BenchOptions } from "../options.js";
import { printTable } from "../table.js";
import { measureBloat } from "./bloat-scenario.js";
import { openContenders } from "./contenders.js";
import { measureDrains } from "./drain-scenario.js";
import { measureFaults } from "./fault-scenario.js";
import { GRAPHILE } from "./graphile.js";
import { measureLatency, measureProducers, measureSteady } from "./live-scenarios.js";
import { PG_BOSS } from "./pg-boss.js";
import { SETTINGS, startBenchPostgres } from "./postgres.js";
import type { Finding, Scenario } from "./scenarios.js";
import { measureAbsence, measureEndToEnd } from "./silo-scenarios.js";

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  drain: measureDrains,
  latency: measureLatency,
  steady: measureSteady,
  producers: measureProducers,
  rpc: measureEndToEnd,
  absence: measureAbsence,
  faults: measureFaults,
  bloat: measureBloat,
};

/** Our outbox beside graphile-worker and pg-boss, on one durable PostgreSQL. Prints tables and writes JSON. */
export async function runOutboxBench(options: BenchOptions): Promise<void> {
  const chosen = options.only ?? Object.keys(SCENARIOS);
  const postgres = await startBenchPostgres();
  const contenders = await openContenders(postgres);
  const settings = Object.entries(SETTINGS).map(([name, value]) => `${name}=${value}`);
  console.log(`node ${process.version}, ${cpus().length} cpus (${cpus()[0]?.model.trim() ?? "unknown"})`);
  console.log(
    `PostgreSQL ${postgres.version}, durable (fsync, synchronous_commit, full_page_writes), ${settings.join(", ")}`,
  );
  console.log(`beside ${GRAPHILE} and ${PG_BOSS}; writers, database and receivers share the machine`);
  const written: { scenario: string; loadAverage: number[]; findings: readonly Finding[] }[] = [];
  try {
    for (const name of chosen) {
      const scenario = SCENARIOS[name];
      if (scenario === undefined)
        throw new Error(`there is no ${name}; there are ${Object.keys(SCENARIOS).join(", ")}`);
      const findings = await run(name, () => scenario({ postgres, contenders, scale: options.scale }));
      // Others on the machine make figures worse: the reader is told.
      const loadAverage = loadavg();
      for (const { title, rows } of findings) {
        console.log(`\n${title} (load average ${loadAverage[0]?.toFixed(1)})`);
        printTable(rows);
      }
      written.push({ scenario: name, loadAverage, findings });
    }
  } finally {
    await contenders.stop();
    await postgres.stop();
  }
  await mkdir(dirname(options.out), { recursive: true });
  const head = { node: process.version, postgres: postgres.version, settings: SETTINGS, peers: [GRAPHILE, PG_BOSS] };
  const figures = { ...head, at: new Date().toISOString(), scale: options.scale, scenarios: written };
  await writeFile(options.out, `${JSON.stringify(figures, null, 2)}\n`);
  console.log(`\nwritten to ${options.out}`);
}

/** A scenario that fails has an error instead of figures; the others still run. */
async function run(name: string, scenario: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> {
  try {
    return await scenario();
  } catch (error) {
    process.exitCode = 1;
    return [{ title: `${name}: NO FIGURE`, rows: [{ error: String(error) }], figures: { error: String(error) } }];
  }
}
