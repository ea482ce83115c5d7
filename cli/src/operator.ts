import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import {
  createHttpNetwork,
  createMasterKeyRing,
  createRpcRuntime,
  DEFAULT_LIMITS,
  type RpcRuntime,
} from "@cellway/rpc";
import { createControlSilo, createMonolithSilo, type Silo } from "@cellway/silo";
import { createLogger, createMetrics } from "@cellway/telemetry";
import { ConnectError } from "@connectrpc/connect";
import { formatCallError, reportCallError } from "./call-error.js";
import type { CommandContext } from "./context.js";
import { EXIT_FAILED } from "./errors.js";
import type { FleetTarget } from "./fleet-target.js";
import { createRemoteResolver } from "./remote-resolver.js";
import { VERSION } from "./version.js";

/** Somebody who may call everything in a fleet and serves nothing. */
export interface Operator {
  /** Signs as control, or as the monolith. */
  readonly runtime: RpcRuntime;
  /** Stands where control stands, so that what it explains is what control would do. Makes no calls of its own. */
  readonly viewFromControl: Pick<RpcRuntime, "explain">;
  /** Closes every connection. */
  close(): Promise<void>;
}

/** Creates the operator of a fleet. Connects on the first call. */
export function createOperator(target: FleetTarget): Operator {
  const silo: Silo =
    target.mode === "monolith" ? createMonolithSilo([...target.topology.cells.keys()]) : createControlSilo();
  const network = createHttpNetwork(DEFAULT_LIMITS);
  const resolver = createRemoteResolver({ directory: () => runtime.client(DirectoryService), target });
  const common = {
    silo,
    version: VERSION,
    callerService: "cli",
    network,
    resolver,
    keys: createMasterKeyRing(target.masterKeys),
    logger: createLogger({ silo: "operator", level: "silent" }),
    metrics: createMetrics({ silo: "operator" }),
    controlAddress: target.topology.controlRpcAddress,
  };
  const runtime = createRpcRuntime({ ...common, isOperator: true });
  return { runtime, viewFromControl: createRpcRuntime(common), close: () => network.close() };
}

/**
 * Lends the operator of a fleet to `work` and closes it afterwards. A call that fails is printed (a line for people, or
 * JSON) and gives the exit code of a failure; any other error is the caller's.
 */
export async function withOperator(
  target: FleetTarget,
  options: { readonly json?: boolean },
  ctx: CommandContext,
  work: (operator: Operator) => Promise<number>,
): Promise<number> {
  const operator = createOperator(target);
  try {
    return await work(operator);
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    ctx.terminal.err(options.json === true ? JSON.stringify(reportCallError(error)) : formatCallError(error));
    return EXIT_FAILED;
  } finally {
    await operator.close();
  }
}
