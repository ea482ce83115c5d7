import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, loadavg, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { BenchOptions } from "../options.js";
import { printTable } from "../table.js";
import { startCells } from "./cells.js";
import { CONTENDERS, type Contender } from "./contenders.js";
import { measureFaults } from "./fault-scenario.js";
import { measureMemory } from "./memory-scenario.js";
import type { Scenario } from "./scenario.js";
import { measureThroughput } from "./throughput-scenario.js";

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  requests: measureThroughput,
  faults: measureFaults,
  memory: measureMemory,
};

/** Our locality router beside other proxies, in front of the same cells, taking turns. Prints tables and writes JSON. */
export async function runRouterBench(options: BenchOptions): Promise<void> {
  const contenders: Contender[] = [];
  const versions: Record<string, string> = {};
  console.log(
    `node ${process.version}, ${cpus().length} cpus (${cpus()[0]?.model.trim() ?? "unknown"}), one thread each`,
  );
  for (const contender of CONTENDERS) {
    const version = await contender.version();
    console.log(`${contender.name}: ${version ?? "LEFT OUT, it is not installed"}`);
    if (version === undefined) continue;
    contenders.push(contender);
    versions[contender.name] = version;
  }
  const folder = await mkdtemp(join(tmpdir(), "cellway-bench-"));
  const cells = await startCells();
  const written: object[] = [];
  try {
    for (const name of options.only ?? Object.keys(SCENARIOS)) {
      const scenario = SCENARIOS[name];
      if (scenario === undefined)
        throw new Error(`there is no ${name}; there are ${Object.keys(SCENARIOS).join(", ")}`);
      const findings = await scenario({ contenders, cells, folder, scale: options.scale });
      // Others on the machine make figures worse: the reader is told.
      const loadAverage = loadavg();
      for (const { title, rows } of findings) {
        console.log(`\n${title} (load average ${loadAverage[0]?.toFixed(1)})`);
        printTable(rows);
      }
      written.push({ scenario: name, loadAverage, findings });
    }
  } finally {
    await cells.stop();
    await rm(folder, { recursive: true, force: true });
  }
  await mkdir(dirname(options.out), { recursive: true });
  const head = { node: process.version, versions, at: new Date().toISOString(), scale: options.scale };
  await writeFile(options.out, `${JSON.stringify({ ...head, scenarios: written }, null, 2)}\n`);
  console.log(`\nwritten to ${options.out}`);
}
