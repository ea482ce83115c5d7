import { resolve } from "node:path";
import { parseKeys, type SigningKey } from "@cellway/rpc";
import { CONTROL_SILO_NAME, createSettingsReader, MONOLITH_SILO_NAME, oldNamesOf, type Topology } from "@cellway/silo";
import type { CommandContext } from "./context.js";
import { UsageError } from "./errors.js";
import { type FleetFile, type FleetMode, readFleetFile } from "./fleet-file.js";
import { readTextFile } from "./live-setting.js";
import { parseKeyText, readKeys, readMode, readTopology } from "./setting-readers.js";
import { DEFAULT_DATA_DIR } from "./settings.js";

/** A fleet that a command speaks to, as its operator. */
export interface FleetTarget {
  readonly mode: FleetMode;
  readonly topology: Topology;
  /** Secrets. */
  readonly masterKeys: readonly SigningKey[];
  /** Where this was read, for people. */
  readonly source: string;
  /** What takes requests of strangers on this machine; only where `cellway dev` says it. */
  readonly edges?: readonly { readonly address: string }[];
  /** A file with the secret by which those explain themselves. */
  readonly operatorTokenFile?: string;
}

/**
 * Finds the fleet: the one that runs on `dataDir` when that was given; else the one that runs on `.cellway`; else the
 * one that the environment describes.
 *
 * @throws UsageError when there is none; ConfigError when what describes it is wrong.
 */
export function findFleet(dataDir: string | undefined, ctx: CommandContext): FleetTarget {
  const names = ["CELLWAY_TOPOLOGY", ...oldNamesOf("SETTING", "CELLWAY_TOPOLOGY")];
  const isDescribed = names.some((name) => ctx.env[name] !== undefined);
  const dir = resolve(ctx.process.cwd, dataDir ?? DEFAULT_DATA_DIR);
  try {
    const fleet = readFleetFile(dir);
    if (fleet !== undefined) {
      const masterKeys = parseKeys(readTextFile(fleet.keysFile, dir), fleet.keysFile);
      return { mode: fleet.mode, topology: fleet.topology, masterKeys, source: dir, ...findEdges(fleet) };
    }
  } catch (error) {
    if (dataDir !== undefined || !isDescribed) throw error;
  }
  if (dataDir !== undefined)
    throw new UsageError(`No fleet runs on ${dir}; start one with: cellway dev --data ${dataDir}`);
  if (!isDescribed) {
    throw new UsageError(
      "No fleet found: start one with `cellway dev`, name its folder with --data-dir, or set CELLWAY_TOPOLOGY and CELLWAY_RPC_KEYS.",
    );
  }
  const reader = createSettingsReader(ctx.env, (message) => ctx.terminal.err(`warning: ${message}`));
  return {
    mode: readMode(reader),
    topology: readTopology(reader),
    masterKeys: parseKeyText(readKeys(reader)),
    source: "environment",
  };
}

/** Where what takes requests for this origin is reached; undefined when nothing known does. */
export function findEdge({ edges = [] }: FleetTarget, origin: string): string | undefined {
  const { hostname, port } = new URL(origin);
  if (!/^(?:127\.0\.0\.1|(?:.+\.)?localhost)$/.test(hostname)) return undefined;
  return edges.find((edge) => new URL(edge.address).port === port)?.address;
}

/** The secret by which routers explain themselves. @throws UsageError when there is none */
export function readOperatorToken({ operatorTokenFile }: FleetTarget, ctx: CommandContext): string {
  const token = ctx.env["CELLWAY_EDGE_OPERATOR_TOKEN"];
  if (token !== undefined && token !== "") return token;
  if (operatorTokenFile !== undefined) return readTextFile(operatorTokenFile, operatorTokenFile).trim();
  throw new UsageError("A router explains itself to CELLWAY_EDGE_OPERATOR_TOKEN only: set it to what the router has.");
}

/** The routers, and control for its gateway. */
function findEdges({ edges, silos, operatorTokenFile }: FleetFile): Pick<FleetTarget, "edges" | "operatorTokenFile"> {
  const control = silos.filter(({ name }) => name === CONTROL_SILO_NAME);
  const addresses = [...edges.map(({ address }) => address), ...control.map(({ httpAddress }) => httpAddress)];
  return {
    edges: addresses.map((address) => ({ address })),
    ...(operatorTokenFile !== undefined && { operatorTokenFile }),
  };
}

/**
 * The name of the silo that is, or holds, `silo`: in a monolith there is one.
 *
 * @param target.addedCells - cells that are not in the topology file.
 * @throws UsageError for no silo of the fleet.
 */
export function findSiloName(
  target: Pick<FleetTarget, "mode" | "topology"> & { readonly addedCells?: readonly string[] },
  silo: string,
  option: string,
): string {
  const names = ["control", ...target.topology.cells.keys(), ...(target.addedCells ?? [])];
  if (target.mode === "monolith") names.push(MONOLITH_SILO_NAME);
  if (!names.includes(silo)) throw new UsageError(`${option} ${silo}: must be one of ${names.join(", ")}.`);
  return target.mode === "monolith" ? MONOLITH_SILO_NAME : silo;
}
