import type { MessageInitShape } from "@bufbuild/protobuf";
import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import {
  CellOutboxService,
  ControlOutboxService,
  type OutboxBackfill,
  type OutboxListQuerySchema,
  type OutboxPause,
  type OutboxRetryReport,
  type OutboxRow,
  type OutboxSelectorSchema,
  type OutboxStatus,
} from "@cellway/gen/cellway/outbox/v1/operator";
import { type FanOutFailure, fanOut, type RpcRuntime } from "@cellway/rpc";
import type { CallOptions } from "@connectrpc/connect";
import type { FleetTarget } from "./fleet-target.js";

/** Time for each silo when several are asked. */
const SILO_TIMEOUT_MS = 5_000;

/** What is meant, as options say it. */
export type Selector = MessageInitShape<typeof OutboxSelectorSchema>;

/** The outbox of one silo: of control, or of a cell. */
export interface OutboxClient {
  status(options?: CallOptions): Promise<{ status?: OutboxStatus | undefined }>;
  list(
    query: MessageInitShape<typeof OutboxListQuerySchema>,
  ): Promise<{ readonly rows: OutboxRow[]; readonly nextPageToken: string }>;
  retry(
    selector: Selector,
    pageToken: string,
  ): Promise<{ report?: OutboxRetryReport | undefined; nextPageToken: string }>;
  pause(selector: Selector): Promise<{ readonly pauses: OutboxPause[] }>;
  resume(selector: Selector): Promise<{ readonly removed: number; readonly pauses: OutboxPause[] }>;
  listBackfills(options?: CallOptions): Promise<{ readonly backfills: OutboxBackfill[] }>;
  startBackfill(request: { category: string; messagesPerSecond: number }): Promise<{ isStarted: boolean }>;
}

type Runtime = Pick<RpcRuntime, "client">;

/** The outbox of `silo`: `control`, or the name of a cell. */
export function openOutbox(runtime: Runtime, silo: string): OutboxClient {
  return silo === "control" ? openControlOutbox(runtime) : openCellOutbox(runtime, silo);
}

function openControlOutbox(runtime: Runtime): OutboxClient {
  const client = runtime.client(ControlOutboxService);
  return {
    status: (options) => client.getControlOutboxStatus({}, options),
    list: (query) => client.listControlOutboxRows({ query }),
    retry: (selector, pageToken) => client.retryControlOutbox({ selector, pageToken }),
    pause: (selector) => client.pauseControlOutbox({ selector }),
    resume: (selector) => client.resumeControlOutbox({ selector }),
    listBackfills: (options) => client.listControlOutboxBackfills({}, options),
    startBackfill: (request) => client.startControlOutboxBackfill(request),
  };
}

function openCellOutbox(runtime: Runtime, cellName: string): OutboxClient {
  const client = runtime.client(CellOutboxService);
  return {
    status: (options) => client.getCellOutboxStatus({ cellName }, options),
    list: (query) => client.listCellOutboxRows({ cellName, query }),
    retry: (selector, pageToken) => client.retryCellOutbox({ cellName, selector, pageToken }),
    pause: (selector) => client.pauseCellOutbox({ cellName, selector }),
    resume: (selector) => client.resumeCellOutbox({ cellName, selector }),
    listBackfills: (options) => client.listCellOutboxBackfills({ cellName }, options),
    startBackfill: (request) => client.startCellOutboxBackfill({ cellName, ...request }),
  };
}

/** What each silo answered. */
export interface SiloAnswers<T> {
  readonly answers: readonly { readonly silo: string; readonly answer: T }[];
  readonly failures: readonly FanOutFailure[];
}

/**
 * Asks one silo, or control and every cell, side by side. A silo that does not answer costs its own answer only; while the
 * directory cannot be asked, the cells are those of the topology file. In a monolith all cells have one outbox, which is
 * asked under the name of the first.
 */
export async function askOutboxes<T>(
  runtime: Runtime,
  target: FleetTarget,
  silo: string | undefined,
  ask: (outbox: OutboxClient, options: CallOptions) => Promise<T>,
): Promise<SiloAnswers<T>> {
  const silos = silo === undefined ? ["control", ...(await listCells(runtime, target))] : [silo];
  const call = async (name: string, { signal, timeoutMs }: { signal: AbortSignal; timeoutMs: number }) => {
    return { items: [await ask(openOutbox(runtime, name), { signal, timeoutMs })] };
  };
  const options = { pageSize: Number.POSITIVE_INFINITY, timeoutMs: SILO_TIMEOUT_MS };
  const { items, failures } = await fanOut(silos, call, options);
  return { answers: items.map(({ cell, item }) => ({ silo: cell, answer: item })), failures };
}

async function listCells(runtime: Runtime, { mode, topology }: FleetTarget): Promise<string[]> {
  const configured = [...topology.cells.keys()];
  if (mode === "monolith") return configured.slice(0, 1);
  try {
    const { cells } = await runtime.client(DirectoryService).listCells({}, { timeoutMs: SILO_TIMEOUT_MS });
    return cells.map(({ name }) => name);
  } catch {
    return configured;
  }
}
