import {
  CellFleetService,
  ControlFleetService,
  type DeprecatedSubject,
  type FleetProcess,
  type LostProcesses,
} from "@cellway/gen/cellway/fleet/v1/fleet";
import { PAGE_SIZE_MAX, type RpcRuntime } from "@cellway/rpc";
import { type CallOptions, Code, ConnectError } from "@connectrpc/connect";
import type { FleetTarget } from "./fleet-target.js";
import { askEach, listCells, type SiloAnswers } from "./silo-answers.js";

type Runtime = Pick<RpcRuntime, "client">;

/** What the processes of one silo know. */
interface FleetClient {
  listProcesses(options: CallOptions): Promise<{ readonly processes: FleetProcess[] }>;
  listDeprecatedUses(
    page: { readonly pageSize: number; readonly pageToken: string },
    options: CallOptions,
  ): Promise<{ subjects: DeprecatedSubject[]; lost?: LostProcesses | undefined; nextPageToken: string }>;
}

/** What of a silo is used that is deprecated. */
export interface SiloUses {
  readonly subjects: readonly DeprecatedSubject[];
  /** Processes that ended without a goodbye. */
  readonly lost: LostProcesses | undefined;
}

function openFleet(runtime: Runtime, silo: string): FleetClient {
  if (silo === "control") {
    const client = runtime.client(ControlFleetService);
    return {
      listProcesses: (options) => client.listControlProcesses({}, options),
      listDeprecatedUses: (page, options) => client.listControlDeprecatedUses(page, options),
    };
  }
  const client = runtime.client(CellFleetService);
  return {
    listProcesses: (options) => client.listCellProcesses({ cellName: silo }, options),
    listDeprecatedUses: (page, options) => client.listCellDeprecatedUses({ cellName: silo, ...page }, options),
  };
}

/** Asks every silo of the fleet which processes it has. One that names none has not answered: who answers is one. */
export function askProcesses(runtime: Runtime, target: FleetTarget): Promise<SiloAnswers<readonly FleetProcess[]>> {
  return askSilos(runtime, target, async (fleet, options) => {
    const { processes } = await fleet.listProcesses(options);
    if (processes.length > 0) return processes;
    throw new ConnectError("no process of it reports itself: see its log", Code.FailedPrecondition);
  });
}

/** Asks every silo of the fleet what of it is used that is deprecated. */
export function askDeprecatedUses(runtime: Runtime, target: FleetTarget): Promise<SiloAnswers<SiloUses>> {
  return askSilos(runtime, target, async (fleet, options) => {
    const subjects: DeprecatedSubject[] = [];
    let pageToken = "";
    for (;;) {
      const page = await fleet.listDeprecatedUses({ pageSize: PAGE_SIZE_MAX, pageToken }, options);
      subjects.push(...page.subjects);
      pageToken = page.nextPageToken;
      if (pageToken === "") return { subjects, lost: page.lost };
    }
  });
}

/**
 * Asks control and every cell, side by side; a monolith once. While control does not say which cells there are, those of the
 * topology file are asked, and control counts as a silo that has not answered: there may be others.
 */
async function askSilos<T>(
  runtime: Runtime,
  target: FleetTarget,
  ask: (fleet: FleetClient, options: CallOptions) => Promise<T>,
): Promise<SiloAnswers<T>> {
  const { cells, failure } = target.mode === "monolith" ? { cells: [] } : await listCells(runtime, target);
  const asked = await askEach(["control", ...cells], (silo, options) => ask(openFleet(runtime, silo), options));
  if (failure === undefined || asked.failures.some(({ cell }) => cell === failure.cell)) return asked;
  return { ...asked, failures: [failure, ...asked.failures] };
}
