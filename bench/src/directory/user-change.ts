import { CellInboxService } from "@cellway/gen/cellway/outbox/v1/outbox";
import { UserReplicaSchema } from "@cellway/gen/cellway/user/v1/replicas";
import { UserService } from "@cellway/gen/cellway/user/v1/user";
import { createInbox, receiveMessages } from "@cellway/outbox";
import {
  createCellKeyRing,
  createContractValidator,
  createHttpNetwork,
  createRpcRuntime,
  DEFAULT_LIMITS,
  deriveCellKey,
  type Network,
  type NetworkListener,
  type RpcRuntime,
} from "@cellway/rpc";
import { createCellSilo } from "@cellway/silo";
import { createLogger, createMetrics } from "@cellway/telemetry";
import { TEST_MASTER_KEY } from "@cellway/testing";
import { percentile } from "../outbox/ledger.js";
import { median } from "../rpc/measure.js";
import { BUSY_USER_ID } from "./generate.js";

/** Changes that are followed to all cells of the user. */
const CHANGES = 20;
const CHANGE_TIMEOUT_MS = 60_000;

/** Cells that take what control tells of users: each with a socket and a key of its own, all in this process. */
export interface ReceivingCells {
  /** Name to origin. */
  readonly addresses: ReadonlyMap<string, string>;
  /** Resolves once every cell knows the user by this name, with the moments at which the first and the last learnt it. */
  expectName(displayName: string): Promise<{ firstMs: number; lastMs: number }>;
  close(): Promise<void>;
}

/** Starts them. They remember instead of writing: their databases would share this machine's disk. */
export async function startReceivingCells(names: readonly string[]): Promise<ReceivingCells> {
  const network = createHttpNetwork(DEFAULT_LIMITS);
  const known = new Map<string, string>();
  let expected: { displayName: string; left: number; firstMs: number; resolve: (lastMs: number) => void } | undefined;
  const learn = (cell: string, displayName: string) => {
    if (known.get(cell) === displayName) return;
    known.set(cell, displayName);
    if (expected?.displayName !== displayName) return;
    if (expected.left === names.length) expected.firstMs = performance.now();
    expected.left -= 1;
    if (expected.left === 0) expected.resolve(performance.now());
  };
  const listeners = new Map<string, NetworkListener>();
  for (const name of names) listeners.set(name, await listen(network, name, learn));
  return {
    addresses: new Map([...listeners].map(([name, { address }]) => [name, address])),
    async expectName(displayName) {
      const waiting = { displayName, left: names.length, firstMs: 0, resolve: (_lastMs: number) => {} };
      expected = waiting;
      let timer: NodeJS.Timeout | undefined;
      const lastMs = await new Promise<number>((resolve, reject) => {
        waiting.resolve = resolve;
        timer = setTimeout(() => reject(new Error(`${waiting.left} cells were not told`)), CHANGE_TIMEOUT_MS);
      }).finally(() => clearTimeout(timer));
      return { firstMs: waiting.firstMs, lastMs };
    },
    async close() {
      await Promise.all([...listeners.values()].map((listener) => listener.close({ graceMs: 100 })));
      await network.close();
    },
  };
}

async function listen(network: Network, name: string, learn: (cell: string, displayName: string) => void) {
  const runtime = createRpcRuntime({
    silo: createCellSilo(name),
    network,
    keys: createCellKeyRing(name, [deriveCellKey(TEST_MASTER_KEY, name)]),
    logger: createLogger({ silo: name, level: "silent" }),
    metrics: createMetrics({ silo: name }),
    controlAddress: "http://127.0.0.1:1",
  });
  const inbox = createInbox({
    receivers: [
      receiveMessages(UserReplicaSchema, async ({ recipient, content }) =>
        learn(recipient, content?.displayName ?? ""),
      ),
    ],
    validator: createContractValidator(),
    ownershipOf: async () => "sender",
    isTransient: () => false,
    onBug: () => {},
  });
  runtime.serve(CellInboxService, {
    deliverToCell: async ({ batch }) => ({
      results: batch === undefined ? [] : await inbox.take(batch, { sender: "control", recipient: name }),
    }),
  });
  return network.listen("http://127.0.0.1:0", runtime.endpoint());
}

/** From the answer to a change of the user to all its cells, one change after the other. The first, which opens 500 sessions, apart. */
export async function measureUserChange(control: RpcRuntime, cells: ReceivingCells) {
  const firsts: number[] = [];
  const lasts: number[] = [];
  const answers: number[] = [];
  for (let index = 0; index <= CHANGES; index += 1) {
    const displayName = `Busy ${index}`;
    const arrival = cells.expectName(displayName);
    const startedAt = performance.now();
    await control
      .client(UserService)
      .updateUser({ userId: BUSY_USER_ID, displayName, updateMask: { paths: ["display_name"] } });
    const answeredAt = performance.now();
    const { firstMs, lastMs } = await arrival;
    answers.push(answeredAt - startedAt);
    firsts.push(firstMs - answeredAt);
    lasts.push(lastMs - answeredAt);
  }
  const [opening = 0, ...later] = lasts;
  return {
    what: `a change of a user to ${cells.addresses.size} cells, each a socket of its own`,
    figure: `p50 ${median(later).toFixed(0)} ms, p99 ${percentile(later, 0.99).toFixed(0)} ms to the last; ${opening.toFixed(0)} ms while sessions are opened`,
    beside: `UpdateUser itself: p50 ${median(answers).toFixed(1)} ms; to the first cell p50 ${median(firsts).toFixed(1)} ms`,
  };
}
