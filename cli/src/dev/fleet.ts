import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { formatTopology } from "@cellway/silo";
import type { Environment } from "../context.js";
import { type FleetFile, removeFleetFile, writeFleetFile } from "../fleet-file.js";
import { createChildEnvironment } from "./child-environment.js";
import type { DataFolder } from "./data-folder.js";
import type { FleetDatabases } from "./databases.js";
import type { FleetPlan, PlannedSilo } from "./fleet-plan.js";
import type { KeyFiles } from "./key-files.js";
import { waitUntilReady } from "./ready.js";
import { type SiloProcess, startSiloProcess, stopSiloProcesses } from "./silo-process.js";
import { type Supervisor, type SupervisorEvent, superviseSilo } from "./supervisor.js";

const READY_MAX_MS = 60_000;
const STOP_GRACE_MS = 3_000;
const SCRIPT = fileURLToPath(new URL("../../bin/cellway.js", import.meta.url));

/** What the silos of a fleet need. */
export interface FleetParts {
  readonly plan: FleetPlan;
  readonly folder: DataFolder;
  readonly databases: Pick<FleetDatabases, "urlOf">;
  readonly keys: KeyFiles;
  readonly env: Environment;
}

/** The silos of a fleet, each in a process. */
export interface RunningFleet {
  /** The fleet as it is now; process ids change when a silo is restarted. */
  file(): FleetFile;
  /** From now on silos that die are restarted, and dev.json says so. */
  supervise(onEvent: (event: SupervisorEvent) => void): void;
  /** Ends the silos: asks, and after 3 s insists. */
  stop(): Promise<void>;
  /** Ends the silos at once. */
  kill(): void;
}

/**
 * Starts the silos and waits until each serves. Leaves none running when one of them does not, or `signal` aborts.
 *
 * @throws CommandError with the last log lines of the silo that failed.
 */
export async function startFleet(
  parts: FleetParts,
  options: { signal: AbortSignal; onReady: (silo: string) => void },
): Promise<RunningFleet> {
  const { plan, folder } = parts;
  writeFileSync(folder.topologyFile, `${JSON.stringify(formatTopology(plan.topology), null, 2)}\n`);
  const processes = new Map(plan.silos.map((silo) => [silo, startOne(parts, silo)]));
  const deadlineAtMs = Date.now() + READY_MAX_MS;
  try {
    await Promise.all(
      [...processes].map(async ([silo, process]) => {
        await waitUntilReady(silo, process, { deadlineAtMs, signal: options.signal });
        options.onReady(silo.name);
      }),
    );
  } catch (error) {
    await stopSiloProcesses([...processes.values()], STOP_GRACE_MS);
    throw error;
  }
  const fleet = createFleet(parts, processes);
  writeFleetFile(folder.dir, fleet.file());
  return fleet;
}

function createFleet(parts: FleetParts, first: ReadonlyMap<PlannedSilo, SiloProcess>): RunningFleet {
  const { plan, folder } = parts;
  const supervisors = new Map<PlannedSilo, Supervisor>();
  const current = (silo: PlannedSilo) => supervisors.get(silo)?.current() ?? first.get(silo);
  const all = () => plan.silos.map(current).filter((process) => process !== undefined);
  const file = (): FleetFile => ({
    mode: plan.mode,
    topology: plan.topology,
    keysFile: parts.keys.masterFile,
    silos: plan.silos.map((silo) => ({
      name: silo.name,
      rpcAddress: silo.rpcAddress,
      httpAddress: silo.httpAddress,
      databaseUrl: parts.databases.urlOf(silo),
      pid: current(silo)?.pid ?? 0,
    })),
  });
  return {
    file,
    supervise(onEvent) {
      for (const [silo, process] of first) {
        const supervisor = superviseSilo({
          silo: silo.name,
          first: process,
          start: () => startOne(parts, silo),
          waitUntilReady: (started) => waitUntilReady(silo, started, { deadlineAtMs: Date.now() + READY_MAX_MS }),
          onEvent(event) {
            if (event.kind === "restarted") writeFleetFile(folder.dir, file());
            onEvent(event);
          },
        });
        supervisors.set(silo, supervisor);
      }
    },
    async stop() {
      for (const supervisor of supervisors.values()) supervisor.release();
      await stopSiloProcesses(all(), STOP_GRACE_MS);
      removeFleetFile(folder.dir);
    },
    kill() {
      for (const process of all()) process.kill("SIGKILL");
    },
  };
}

function startOne(parts: FleetParts, silo: PlannedSilo): SiloProcess {
  const files = {
    topology: parts.folder.topologyFile,
    keys: parts.keys.fileOf(silo),
    databaseUrl: parts.databases.urlOf(silo),
  };
  return startSiloProcess({
    args: [...process.execArgv, SCRIPT, "serve", "--silo", silo.kind],
    env: createChildEnvironment(parts.env, silo, files),
    logFile: parts.folder.logFile(silo.name),
  });
}
