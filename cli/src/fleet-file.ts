import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatTopology, parseTopology, type Topology } from "@cellway/silo";
import { CommandError } from "./errors.js";
import { isAlive } from "./process-identity.js";

/** How a fleet is cut: a process and a database for each silo, or one of each for all. */
export type FleetMode = "siloed" | "monolith";

/** One silo of a fleet that `cellway dev` runs. */
export interface FleetSilo {
  readonly name: string;
  readonly rpcAddress: string;
  readonly httpAddress: string;
  readonly databaseUrl: string;
  /** Changes when the silo is restarted. */
  readonly pid: number;
}

/** One router of a fleet that `cellway dev` runs. */
export interface FleetEdge {
  readonly name: string;
  readonly kind: string;
  /** Where it serves strangers. */
  readonly address: string;
  /** Where its health and metrics are. */
  readonly httpAddress: string;
  /** The origins that people use: `http://us.localhost:8100`. */
  readonly urls: readonly string[];
  /** Changes when the router is restarted. */
  readonly pid: number;
}

/** What `cellway dev` says of itself to other commands, in `dev.json` of its data folder. */
export interface FleetFile {
  readonly mode: FleetMode;
  readonly topology: Topology;
  /** The file with the master keys. */
  readonly keysFile: string;
  readonly silos: readonly FleetSilo[];
  readonly edges: readonly FleetEdge[];
  /** The file with the secret by which routers and the gateway explain themselves; unset in a file of an earlier release. */
  readonly operatorTokenFile?: string;
}

/** The file inside a data folder. */
export function fleetFilePath(dataDir: string): string {
  return join(dataDir, "dev.json");
}

/** Writes the file in one step, readable by its owner only. */
export function writeFleetFile(dataDir: string, fleet: FleetFile): void {
  const path = fleetFilePath(dataDir);
  const temporary = `${path}.${process.pid}`;
  const body = {
    mode: fleet.mode,
    topology: formatTopology(fleet.topology),
    keysFile: fleet.keysFile,
    silos: fleet.silos,
    edges: fleet.edges,
    operatorTokenFile: fleet.operatorTokenFile,
  };
  writeFileSync(temporary, `${JSON.stringify(body, null, 2)}\n`, { mode: 0o600 });
  renameSync(temporary, path);
}

/** Removes the file; nothing happens when there is none. */
export function removeFleetFile(dataDir: string): void {
  rmSync(fleetFilePath(dataDir), { force: true });
}

/**
 * The fleet that runs on `dataDir`, or undefined when there is no file.
 *
 * @throws CommandError when the file is damaged, or was left over by a fleet of which no process is alive.
 */
export function readFleetFile(dataDir: string): FleetFile | undefined {
  const path = fleetFilePath(dataDir);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const fleet = parseFleetFile(text, path);
  if (!fleet.silos.some((silo) => isAlive(silo.pid))) {
    throw new CommandError(
      `No fleet runs on ${dataDir}: ${path} was left by one that was killed. Start it again with: cellway dev --data ${dataDir}`,
    );
  }
  return fleet;
}

function parseFleetFile(text: string, path: string): FleetFile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new CommandError(`${path} is damaged: it is not JSON. Stop the fleet and start it again with: cellway dev`);
  }
  const { mode, topology, keysFile, silos, edges, operatorTokenFile } = (value ?? {}) as Record<string, unknown>;
  if ((mode !== "siloed" && mode !== "monolith") || typeof keysFile !== "string" || !Array.isArray(silos)) {
    throw new CommandError(
      `${path} is damaged: mode, keysFile or silos is missing. Stop the fleet and start it again with: cellway dev`,
    );
  }
  return {
    mode,
    topology: parseTopology(topology, path),
    keysFile,
    silos: silos as FleetSilo[],
    edges: Array.isArray(edges) ? (edges as FleetEdge[]) : [],
    ...(typeof operatorTokenFile === "string" && { operatorTokenFile }),
  };
}
