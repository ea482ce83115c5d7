import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { type FanOutFailure, fanOut, type RpcRuntime } from "@cellway/rpc";
import { type CallOptions, ConnectError } from "@connectrpc/connect";
import type { FleetTarget } from "./fleet-target.js";

/** Time for each silo, for all its pages. */
const SILO_TIMEOUT_MS = 5_000;

/** What each silo answered. */
export interface SiloAnswers<T> {
  readonly answers: readonly { readonly silo: string; readonly answer: T }[];
  readonly failures: readonly FanOutFailure[];
}

/** Asks silos side by side. One that does not answer costs its own answer only. */
export async function askEach<T>(
  silos: readonly string[],
  ask: (silo: string, options: CallOptions) => Promise<T>,
): Promise<SiloAnswers<T>> {
  const call = async (silo: string, { signal, timeoutMs }: { signal: AbortSignal; timeoutMs: number }) => ({
    items: [await ask(silo, { signal, timeoutMs })],
  });
  const { items, failures } = await fanOut(silos, call, {
    pageSize: Number.POSITIVE_INFINITY,
    timeoutMs: SILO_TIMEOUT_MS,
  });
  return { answers: items.map(({ cell, item }) => ({ silo: cell, answer: item })), failures };
}

/** The cells of the fleet as control knows them; while it cannot be asked, those of the topology file, and why it is so. */
export async function listCells(
  runtime: Pick<RpcRuntime, "client">,
  { topology }: Pick<FleetTarget, "topology">,
): Promise<{ readonly cells: readonly string[]; readonly failure?: FanOutFailure }> {
  try {
    const { cells } = await runtime.client(DirectoryService).listCells({}, { timeoutMs: SILO_TIMEOUT_MS });
    return { cells: cells.map(({ name }) => name) };
  } catch (error) {
    return { cells: [...topology.cells.keys()], failure: { cell: "control", error: ConnectError.from(error) } };
  }
}
