import type { DescService } from "@bufbuild/protobuf";
import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import {
  createMasterKeyRing,
  type KeyRing,
  mintToken,
  servicePolicyOf,
  TOKEN_SCHEME,
  TOKEN_TTL_MAX_MS,
} from "@cellway/rpc";
import { currentNameOf, isControlName } from "@cellway/silo";
import type { CommandContext } from "../context.js";
import { CONTRACTS, findMethod } from "../contracts.js";
import { parseDurationMs } from "../duration.js";
import { EXIT_OK, UsageError } from "../errors.js";
import { type FleetTarget, findFleet, findSiloName } from "../fleet-target.js";
import { createOperator } from "../operator.js";

/** Options of `cellway token`. */
export interface TokenCommandOptions {
  readonly method: string;
  readonly silo: string;
  readonly ttl: string;
  readonly caller: string;
  readonly dataDir?: string;
  readonly json?: boolean;
}

/** Prints a header that lets a tool such as grpcurl call one silo for a while. */
export async function runToken(options: TokenCommandOptions, ctx: CommandContext): Promise<number> {
  const target = findFleet(options.dataDir, ctx);
  const keys = createMasterKeyRing(target.masterKeys);
  const addedCells = await findAddedCells(target, [options.silo, options.caller]);
  const token = createToken({ ...target, addedCells, keys, contracts: CONTRACTS }, options, Date.now());
  ctx.terminal.out(options.json === true ? JSON.stringify(token) : token.header);
  return EXIT_OK;
}

/** Cells that were added at run time. The directory is asked only about a name that the topology file does not have. */
async function findAddedCells(target: FleetTarget, names: readonly string[]): Promise<string[]> {
  const isKnown = (name: string) => isControlName(name) || target.topology.cells.has(name);
  if (target.mode === "monolith" || names.every(isKnown)) return [];
  const operator = createOperator(target);
  try {
    const { cells } = await operator.runtime.client(DirectoryService).listCells({});
    return cells.map((cell) => cell.name).filter((name) => !isKnown(name));
  } catch {
    return [];
  } finally {
    await operator.close();
  }
}

/** A token with what it allows. */
export interface IssuedToken {
  /** `authorization: Bearer …`: a secret until it expires. */
  readonly header: string;
  readonly method: string;
  readonly caller: string;
  /** The silo that accepts it. */
  readonly silo: string;
  /** RFC 3339. */
  readonly expiresAt: string;
}

/** Makes a token. @throws UsageError for a silo, method or life that cannot be */
export function createToken(
  fleet: Pick<FleetTarget, "mode" | "topology"> & {
    readonly addedCells?: readonly string[];
    readonly keys: KeyRing;
    readonly contracts: readonly DescService[];
  },
  options: Pick<TokenCommandOptions, "method" | "silo" | "ttl" | "caller">,
  nowMs: number,
): IssuedToken {
  const { keys } = fleet;
  const method = normalizePattern(options.method, fleet.contracts);
  const audience = findSiloName(fleet, options.silo, "--silo");
  const caller = findSiloName(fleet, options.caller, "--caller");
  const expiresAtMs = nowMs + parseDurationMs(options.ttl, "--ttl", TOKEN_TTL_MAX_MS);
  if (keys.keysBetween(caller, audience).length === 0) {
    throw new UsageError(
      `--caller ${options.caller}: a cell calls only control, and only control calls a cell; ${audience} accepts nothing from ${caller}.`,
    );
  }
  const token = mintToken(keys, { caller, audience, method, expiresAtMs });
  return {
    header: `authorization: ${TOKEN_SCHEME} ${token}`,
    method,
    caller,
    silo: audience,
    expiresAt: new Date(expiresAtMs).toISOString(),
  };
}

/** `*`, `organization.*`, `reflection.*`, or the exact name of a method. */
function normalizePattern(pattern: string, contracts: readonly DescService[]): string {
  if (pattern === "*" || pattern === "reflection.*") return pattern;
  if (pattern.endsWith(".*")) {
    const key = currentNameOf("RPC_KEY", pattern.slice(0, -2));
    const service = contracts.find((contract) => servicePolicyOf(contract).key === key || contract.typeName === key);
    if (service !== undefined) return `${servicePolicyOf(service).key}.*`;
    const keys = contracts.map((contract) => `${servicePolicyOf(contract).key}.*`);
    throw new UsageError(`--method ${pattern}: must be SERVICE.METHOD, * or one of ${keys.join(", ")}, reflection.*.`);
  }
  const method = findMethod(pattern, contracts);
  return `${servicePolicyOf(method.parent).key}.${method.name}`;
}
