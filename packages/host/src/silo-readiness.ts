import type { ServiceContext, ServiceModule } from "./module.js";
import { createReadiness, type Readiness, type SchemaCheck } from "./readiness.js";
import type { SiloConfig } from "./silo.js";

/** Whether the silo can serve: its schema is there, its modules are prepared, and it does not stop. */
export function createSiloReadiness(
  config: SiloConfig,
  schemaChecks: readonly SchemaCheck[],
  options: { contexts: ReadonlyMap<ServiceModule, ServiceContext>; isPrepared: () => boolean },
): Readiness {
  const { network, logger } = config;
  const listPeers = createPeerList(config, options.contexts);
  const readiness = createReadiness({ schemaChecks, listPeers, network, logger });
  return {
    async check() {
      const report = await readiness.check();
      return { ...report, ready: report.ready && options.isPrepared() };
    },
    stop: () => readiness.stop(),
  };
}

/** A cell has control. Control has the cells that its directory knows, which are other ones than when it started. */
function createPeerList(
  config: SiloConfig,
  contexts: ReadonlyMap<ServiceModule, ServiceContext>,
): () => Promise<ReadonlyMap<string, string>> {
  const { silo, topology } = config;
  return async () => {
    if (silo.mode === "MONOLITH") return new Map();
    if (silo.mode === "CELL") return new Map([["control", topology.controlRpcAddress]]);
    for (const [{ listPeers }, context] of contexts) if (listPeers !== undefined) return listPeers(context);
    return new Map([...topology.cells.values()].map((cell) => [cell.name, cell.rpcAddress]));
  };
}
