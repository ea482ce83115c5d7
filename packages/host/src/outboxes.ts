import type { SiloDatabase } from "@cellway/database";
import { CellOutboxService, ControlOutboxService } from "@cellway/gen/cellway/outbox/v1/operator";
import { CellInboxService, ControlInboxService } from "@cellway/gen/cellway/outbox/v1/outbox";
import {
  createInbox,
  createOutbox,
  createRpcCourier,
  type Inbox,
  type Outbox,
  type OutboxOperator,
  type OutboxSource,
  type Ownership,
} from "@cellway/outbox";
import { type CellResolver, createContractValidator, currentCall, type RpcRuntime } from "@cellway/rpc";
import { CONTROL_SILO_NAME, type LocalMode, type Silo } from "@cellway/silo";
import type { Logger, Metrics } from "@cellway/telemetry";
import { Code, ConnectError } from "@connectrpc/connect";
import { translateDatabaseError } from "./database-errors.js";
import { implementContract, type ServedContract, type ServiceContext, type ServiceModule } from "./module.js";

/** What outboxes and inboxes need of a silo. */
export interface OutboxParts {
  readonly silo: Silo;
  readonly databaseUrl: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The outbox of each side: whatever the side's modules send. */
export function createOutboxes(
  parts: OutboxParts,
  modules: readonly ServiceModule[],
  databases: ReadonlyMap<LocalMode, SiloDatabase>,
  rpc: RpcRuntime,
): Map<LocalMode, Outbox> {
  const outboxes = new Map<LocalMode, Outbox>();
  for (const [localMode, database] of databases) {
    const outbox = createOutbox({
      ...parts,
      context: { localMode, siloName: parts.silo.name },
      database,
      sources: sourcesOf(modules, localMode),
      courier: createRpcCourier(rpc.forService(localMode === "CONTROL" ? "control_outbox" : "cell_outbox"), localMode),
    });
    database.onWrite = () => outbox.wake();
    outboxes.set(localMode, outbox);
  }
  return outboxes;
}

/** What the modules of a side send. */
export function sourcesOf(modules: readonly ServiceModule[], localMode: LocalMode): OutboxSource[] {
  return modules.filter((module) => module.localMode === localMode).flatMap((module) => [...(module.sends ?? [])]);
}

/** The inbox of a side as the contract that the other side calls. */
export function serveInbox(
  parts: Pick<OutboxParts, "silo" | "logger">,
  localMode: LocalMode,
  contexts: ReadonlyMap<ServiceModule, ServiceContext>,
  resolver: CellResolver | undefined,
): ServedContract {
  const own = [...contexts].filter(([module]) => module.localMode === localMode);
  const inbox = createInbox({
    receivers: own.flatMap(([module, context]) => module.receives?.(context) ?? []),
    validator: createContractValidator(),
    ownershipOf: (organizationId, sender) =>
      localMode === "CELL"
        ? Promise.resolve("sender")
        : findOwnership(parts.silo, resolver, { organizationId, sender }),
    isTransient: (error) => isUnavailable(error) || isUnavailable(translateDatabaseError(error)),
    onBug: (error, message) =>
      parts.logger.error(
        { category: message.category, object_id: message.objectId, err: error },
        "a message failed on a bug",
      ),
  });
  return localMode === "CONTROL" ? serveControl(inbox) : serveCell(inbox);
}

function serveControl(inbox: Inbox): ServedContract {
  return implementContract(ControlInboxService, {
    deliverToControl: async ({ batch }) => ({
      results: batch === undefined ? [] : await inbox.take(batch, { sender: senderOf(), recipient: CONTROL_SILO_NAME }),
    }),
  });
}

function serveCell(inbox: Inbox): ServedContract {
  return implementContract(CellInboxService, {
    deliverToCell: async ({ cellName, batch }) => ({
      results: batch === undefined ? [] : await inbox.take(batch, { sender: senderOf(), recipient: cellName }),
    }),
  });
}

/** Serves what operators ask of each side's outbox. */
export function serveOutboxes(rpc: Pick<RpcRuntime, "serve">, outboxes: ReadonlyMap<LocalMode, Outbox>): void {
  for (const [localMode, { operator }] of outboxes) {
    const served = localMode === "CONTROL" ? serveControlOutbox(operator) : serveCellOutbox(operator);
    rpc.serve(served.service, served.implementation);
  }
}

function serveControlOutbox(operator: OutboxOperator): ServedContract {
  return implementContract(ControlOutboxService, {
    getControlOutboxStatus: async () => ({ status: await operator.status() }),
    listControlOutboxRows: ({ query }) => operator.list(need(query)),
    retryControlOutbox: (request) => operator.retry(request),
    pauseControlOutbox: ({ selector }) => operator.pause(selector),
    resumeControlOutbox: ({ selector }) => operator.resume(selector),
    listControlOutboxBackfills: () => operator.listBackfills(),
    startControlOutboxBackfill: (request) => operator.startBackfill(request),
  });
}

function serveCellOutbox(operator: OutboxOperator): ServedContract {
  return implementContract(CellOutboxService, {
    getCellOutboxStatus: async () => ({ status: await operator.status() }),
    listCellOutboxRows: ({ query }) => operator.list(need(query)),
    retryCellOutbox: (request) => operator.retry(request),
    pauseCellOutbox: ({ selector }) => operator.pause(selector),
    resumeCellOutbox: ({ selector }) => operator.resume(selector),
    listCellOutboxBackfills: () => operator.listBackfills(),
    startCellOutboxBackfill: (request) => operator.startBackfill(request),
  });
}

/** What the contract requires: validation has refused a request without it. */
function need<T>(field: T | undefined): T {
  if (field === undefined) throw new Error("A required field is not there.");
  return field;
}

function senderOf(): string {
  return currentCall()?.caller ?? "";
}

async function findOwnership(
  silo: Silo,
  resolver: CellResolver | undefined,
  { organizationId, sender }: { organizationId: string; sender: string },
): Promise<Ownership> {
  const home = await resolver?.byOrganizationId(organizationId);
  if (home === undefined) return "unknown";
  // A monolith sends to itself, for all its cells.
  const isOwn = home.silo === sender || (sender === silo.name && silo.cells.includes(home.silo));
  return isOwn ? "sender" : "other";
}

function isUnavailable(error: unknown): boolean {
  return error instanceof ConnectError && error.code === Code.Unavailable;
}
