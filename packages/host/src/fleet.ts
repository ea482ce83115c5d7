import type { SiloDatabase } from "@cellway/database";
import { createProcessRegistry, type FleetOperator, type ProcessRegistry } from "@cellway/fleet";
import { CellFleetService, ControlFleetService } from "@cellway/gen/cellway/fleet/v1/fleet";
import { type RpcRuntime, UNKNOWN_VERSION } from "@cellway/rpc";
import { ALIASES, isCounted, type LocalMode, type Silo } from "@cellway/silo";
import type { Logger, Metrics, UsageLog } from "@cellway/telemetry";
import type { Build } from "./http-server.js";
import { implementContract, type ServedContract } from "./module.js";
import { stopAll } from "./stop-silo.js";

/** What is needed of a silo. */
interface FleetParts {
  readonly silo: Silo;
  readonly version?: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly usage: UsageLog;
  readonly oldNames?: Iterable<string>;
  readonly now?: () => number;
}

/**
 * Says which code runs here to whoever watches, and from now on in the tables of each side: before the first call comes.
 * Everything else is served already.
 */
export async function joinFleet(
  config: FleetParts,
  rpc: Pick<RpcRuntime, "contractDigest" | "serve">,
  databases: ReadonlyMap<LocalMode, SiloDatabase>,
  undo: (() => Promise<unknown>)[],
): Promise<{ readonly build: Build; readonly registries: ReadonlyMap<LocalMode, ProcessRegistry> }> {
  const build = (): Build => ({ version: config.version ?? UNKNOWN_VERSION, contract: rpc.contractDigest() });
  countOldNames(config);
  const registries = createRegistries(config, databases, build);
  undo.push(() => stopAll(registries.values()));
  for (const [localMode, { operator }] of registries) {
    const served = localMode === "CONTROL" ? serveControlFleet(operator) : serveCellFleet(operator);
    rpc.serve(served.service, served.implementation);
  }
  config.metrics.set("cellway_build_info", { ...build() }, 1);
  await Promise.all([...registries.values()].map((registry) => registry.start()));
  return { build: build(), registries };
}

/** Says which old names are counted, and that this process was given some of them. */
function countOldNames({ silo, version = UNKNOWN_VERSION, usage, oldNames = [] }: FleetParts): void {
  for (const alias of ALIASES) if (isCounted(alias)) usage.declare("ALIAS", alias.old);
  for (const old of oldNames) usage.hold("ALIAS", old, { caller: silo.name, service: "settings", version });
}

/**
 * This process in the tables of each side. What it counts is kept by the first: in a monolith that is control, which is
 * asked for both.
 */
function createRegistries(
  { silo, logger, usage, now }: FleetParts,
  databases: ReadonlyMap<LocalMode, SiloDatabase>,
  build: () => Build,
): Map<LocalMode, ProcessRegistry> {
  const registries = new Map<LocalMode, ProcessRegistry>();
  for (const [localMode, database] of databases) {
    const registry = createProcessRegistry({
      database,
      localMode,
      siloName: silo.name,
      build,
      logger,
      ...(registries.size === 0 ? { usage } : {}),
      ...(now === undefined ? {} : { now }),
    });
    registries.set(localMode, registry);
  }
  return registries;
}

function serveControlFleet(operator: FleetOperator): ServedContract {
  return implementContract(ControlFleetService, {
    listControlProcesses: () => operator.listProcesses(),
    listControlDeprecatedUses: (request) => operator.listDeprecatedUses(request),
  });
}

function serveCellFleet(operator: FleetOperator): ServedContract {
  return implementContract(CellFleetService, {
    listCellProcesses: () => operator.listProcesses(),
    listCellDeprecatedUses: (request) => operator.listDeprecatedUses(request),
  });
}
