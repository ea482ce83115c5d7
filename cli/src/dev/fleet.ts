import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { formatTopology } from "@cellway/silo";
import type { Environment } from "../context.js";
import { type FleetFile, removeFleetFile, writeFleetFile } from "../fleet-file.js";
import { createChildEnvironment, createEdgeEnvironment } from "./child-environment.js";
import type { DataFolder } from "./data-folder.js";
import type { FleetDatabases } from "./databases.js";
import type { FleetPlan, PlannedEdge, PlannedSilo } from "./fleet-plan.js";
import type { KeyFiles } from "./key-files.js";
import { waitUntilReady } from "./ready.js";
import { type SiloProcess, startSiloProcess, stopSiloProcesses } from "./silo-process.js";
import { type Supervisor, type SupervisorEvent, superviseSilo } from "./supervisor.js";

const READY_MAX_MS = 60_000;
const STOP_GRACE_MS = 3_000;
const SCRIPT = fileURLToPath(new URL("../../bin/cellway.js", import.meta.url));

/** What runs in a process of its own. */
type Planned = PlannedSilo | PlannedEdge;

/** What the silos and routers of a fleet need. */
export interface FleetParts {
  readonly plan: FleetPlan;
  readonly folder: DataFolder;
  readonly databases: Pick<FleetDatabases, "urlOf">;
  readonly keys: KeyFiles;
  readonly env: Environment;
}

/** The silos and routers of a fleet, each in a process. */
export interface RunningFleet {
  /** The fleet as it is now; process ids change when a silo is restarted. */
  file(): FleetFile;
  /** From now on silos and routers that die are restarted, and dev.json says so. */
  supervise(onEvent: (event: SupervisorEvent) => void): void;
  /** Ends all of them: asks, and after 3 s insists. */
  stop(): Promise<void>;
  /** Ends all of them at once. */
  kill(): void;
}

/**
 * Starts the silos and routers and waits until each serves. Leaves none running when one of them does not, or `signal` aborts.
 *
 * @throws CommandError with the last log lines of the silo that failed.
 */
export async function startFleet(
  parts: FleetParts,
  options: { signal: AbortSignal; onReady: (silo: string) => void },
): Promise<RunningFleet> {
  const { plan, folder } = parts;
  writeFileSync(folder.topologyFile, `${JSON.stringify(formatTopology(plan.topology), null, 2)}\n`);
  const processes = new Map<Planned, SiloProcess>(listAll(plan).map((one) => [one, startOne(parts, one)]));
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

function createFleet(parts: FleetParts, first: ReadonlyMap<Planned, SiloProcess>): RunningFleet {
  const { plan, folder } = parts;
  const supervisors = new Map<Planned, Supervisor>();
  const current = (silo: Planned) => supervisors.get(silo)?.current() ?? first.get(silo);
  const all = () =>
    listAll(plan)
      .map(current)
      .filter((process) => process !== undefined);
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
    edges: plan.edges.map((edge) => ({ ...edge, pid: current(edge)?.pid ?? 0 })),
    operatorTokenFile: parts.keys.operatorTokenFile,
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

function listAll(plan: FleetPlan): readonly Planned[] {
  return [...plan.silos, ...plan.edges];
}

function startOne(parts: FleetParts, planned: Planned): SiloProcess {
  return startSiloProcess({
    args: [...process.execArgv, SCRIPT, "serve", ...("urls" in planned ? ["--edge"] : ["--silo"]), planned.kind],
    env: "urls" in planned ? environmentOfEdge(parts, planned) : environmentOfSilo(parts, planned),
    logFile: parts.folder.logFile(planned.name),
  });
}

function environmentOfSilo({ env, folder, keys, databases }: FleetParts, silo: PlannedSilo) {
  return createChildEnvironment(env, silo, {
    topology: folder.topologyFile,
    keys: keys.fileOf(silo),
    databaseUrl: databases.urlOf(silo),
    operatorToken: keys.operatorToken,
  });
}

function environmentOfEdge({ env, plan, folder, keys }: FleetParts, edge: PlannedEdge) {
  return createEdgeEnvironment(env, edge, plan, {
    keys: keys.fileOfEdge(edge.name),
    routes: folder.routesFile(edge.name),
    operatorToken: keys.operatorToken,
  });
}
