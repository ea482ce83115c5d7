import type { MessageInitShape } from "@bufbuild/protobuf";
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
import type { RpcRuntime } from "@cellway/rpc";
import type { CallOptions } from "@connectrpc/connect";
import type { FleetTarget } from "./fleet-target.js";
import { askEach, listCells, type SiloAnswers } from "./silo-answers.js";

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
  const silos = silo === undefined ? ["control", ...(await listOutboxCells(runtime, target))] : [silo];
  return askEach(silos, (name, options) => ask(openOutbox(runtime, name), options));
}

async function listOutboxCells(runtime: Runtime, target: FleetTarget): Promise<readonly string[]> {
  if (target.mode === "monolith") return [...target.topology.cells.keys()].slice(0, 1);
  return (await listCells(runtime, target)).cells;
}
