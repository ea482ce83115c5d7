import { StringValueSchema } from "@bufbuild/protobuf/wkt";
import { CellInboxService, ControlInboxService } from "@cellway/gen/cellway/outbox/v1/outbox";
import { createInbox, createRpcCourier, type Outbox, type OutboxLimits } from "@cellway/outbox";
import {
  type CellResolver,
  createCellKeyRing,
  createContractValidator,
  createHttpNetwork,
  createMasterKeyRing,
  createRpcRuntime,
  DEFAULT_LIMITS,
  deriveCellKey,
  type NetworkListener,
  type RpcRuntime,
} from "@cellway/rpc";
import { createCellSilo, createControlSilo, type LocalMode } from "@cellway/silo";
import { createLogger, createMetrics } from "@cellway/telemetry";
import { benchSource, openOutbox } from "./cellway.js";
import { Ledger } from "./ledger.js";
import type { BenchDatabase } from "./postgres.js";

const MASTER = { id: "bench", secret: new Uint8Array(32).fill(1) };

/** A silo that sends and one that receives, over loopback HTTP/2, signed. */
export interface SiloPair {
  readonly outbox: Outbox;
  /** What the receiver was told. */
  readonly ledger: Ledger;
  /** Makes the receiver unreachable, and reachable again. */
  leave(): Promise<void>;
  comeBack(): Promise<void>;
  close(): Promise<void>;
}

/** Opens both silos; the outbox is not started. */
export async function openSilos(
  database: BenchDatabase,
  sender: LocalMode,
  limits: Partial<OutboxLimits> = {},
): Promise<SiloPair> {
  const ledger = new Ledger();
  const receiver = sender === "CONTROL" ? "CELL" : "CONTROL";
  const serving = createHttpNetwork(DEFAULT_LIMITS);
  const served = createRuntime(receiver, serving, "http://127.0.0.1:1");
  serveInbox(served, receiver, ledger);
  let listener: NetworkListener = await serving.listen("http://127.0.0.1:0", served.endpoint());
  const { address } = listener;
  const calling = createHttpNetwork(DEFAULT_LIMITS);
  const caller = createRuntime(sender, calling, address);
  const outbox = openOutbox(database, createRpcCourier(caller, sender), { localMode: sender, limits });
  return {
    outbox,
    ledger,
    leave: () => listener.close({ graceMs: 0 }),
    async comeBack() {
      listener = await serving.listen(address, served.endpoint());
    },
    async close() {
      await outbox.stop();
      await calling.close();
      await listener.close({ graceMs: 100 });
      await serving.close();
    },
  };
}

function createRuntime(
  localMode: LocalMode,
  network: ReturnType<typeof createHttpNetwork>,
  peerAddress: string,
): RpcRuntime {
  const isControl = localMode === "CONTROL";
  const destination = { silo: "us1", address: peerAddress };
  const resolver: CellResolver = {
    byOrganizationSlug: async () => destination,
    byOrganizationId: async () => destination,
    byCellName: async () => destination,
    singleOrganization: async () => destination,
  };
  const name = isControl ? "control" : "us1";
  return createRpcRuntime({
    silo: isControl ? createControlSilo() : createCellSilo("us1"),
    network,
    keys: isControl ? createMasterKeyRing([MASTER]) : createCellKeyRing("us1", [deriveCellKey(MASTER, "us1")]),
    logger: createLogger({ silo: name, level: "silent" }),
    metrics: createMetrics({ silo: name }),
    controlAddress: peerAddress,
    ...(isControl ? { resolver } : {}),
  });
}

/** An inbox as a host serves it, with a receiver that only remembers. */
function serveInbox(runtime: RpcRuntime, receiver: LocalMode, ledger: Ledger): void {
  const inbox = createInbox({
    receivers: [
      {
        category: { ...benchSource(receiver === "CELL" ? "CONTROL" : "CELL").category, content: StringValueSchema },
        apply: async ({ shardId, version }) => ledger.take(shardId, Number(version)),
      },
    ],
    validator: createContractValidator(),
    ownershipOf: async () => "sender",
    isTransient: () => false,
    onBug: () => {},
  });
  if (receiver === "CELL") {
    runtime.serve(CellInboxService, {
      deliverToCell: async ({ batch }) => ({
        results: batch === undefined ? [] : await inbox.take(batch, { sender: "control", recipient: "us1" }),
      }),
    });
  } else {
    runtime.serve(ControlInboxService, {
      deliverToControl: async ({ batch }) => ({
        results: batch === undefined ? [] : await inbox.take(batch, { sender: "us1", recipient: "control" }),
      }),
    });
  }
}
