import type { DescService, JsonObject } from "@bufbuild/protobuf";
import { createCellSilo, createControlSilo } from "@cellway/silo";
import { createLogger, createMetrics } from "@cellway/telemetry";
import { type CallOptions, Code, type HandlerContext } from "@connectrpc/connect";
import type { UniversalHandlerFn } from "@connectrpc/connect/protocol";
import { createRpcError } from "../errors.js";
import { CONTRACT_HEADER } from "../headers.js";
import { createHttpNetwork } from "../network/http-network.js";
import { createMemoryNetwork } from "../network/memory-network.js";
import type { NetworkListener } from "../network/network.js";
import { createRpcRuntime, type RpcRuntimeOptions } from "../runtime.js";
import { DEFAULT_LIMITS, type RpcLimits } from "../settings.js";
import { createCellKeyRing, createMasterKeyRing, deriveCellKey } from "../signing/keys.js";
import { createTestFile, need } from "../test-support.js";

const MASTER = { id: "k1", secret: new Uint8Array(32).fill(1) };

interface Item {
  cell: string;
  text: string;
}
type Request = Partial<Item> & { note?: string };

/** A client of the newest contract. */
interface NextClient {
  get(request: Request, options?: CallOptions): Promise<Item>;
  find(request: Request, options?: CallOptions): Promise<Item>;
  watch(request: Request, options?: CallOptions): AsyncIterable<Item>;
}

const FIELDS = ["cell", "text", "note"];

/** The contract of cells with some of its methods, and some of its request's fields. */
export function contractOf(methods: readonly string[], fieldCount = FIELDS.length): DescService {
  const option: JsonObject = { resolve: { byCellName: "cell" }, allowedCallers: ["CALLER_CONTROL"] };
  const file = createTestFile({
    name: "peers.test.proto",
    messageType: [
      {
        name: "Item",
        field: FIELDS.slice(0, fieldCount).map((name, index) => {
          return { name, number: index + 1, label: "LABEL_OPTIONAL", type: "TYPE_STRING" };
        }),
      },
    ],
    service: [
      {
        name: "Local",
        options: { "[cellway.contract.v1.service]": { key: "local", localMode: "SILO_MODE_CELL" } },
        method: methods.map((name) => ({
          name,
          inputType: ".test.Item",
          outputType: ".test.Item",
          ...(name === "Watch" ? { serverStreaming: true } : {}),
          options: { "[cellway.contract.v1.method]": option, idempotencyLevel: "NO_SIDE_EFFECTS" },
        })),
      },
    ],
  });
  return need(file.getService("test.Local"));
}

/** What the release before serves: no Find, no Watch, no field `note`. */
export const BEFORE = contractOf(["Get"], 2);
/** What this release serves. */
export const NEXT = contractOf(["Get", "Find", "Watch"]);

/** A process of a cell: what its listener serves. */
export function createProcess(cell: string, contract: DescService, version: string): UniversalHandlerFn {
  const runtime = createRpcRuntime({
    silo: createCellSilo(cell),
    version,
    network: createMemoryNetwork(),
    keys: createCellKeyRing(cell, [deriveCellKey(MASTER, cell)]),
    logger: createLogger({ silo: cell, level: "silent" }),
    metrics: createMetrics({ silo: cell }),
    controlAddress: "http://control.test:1",
  });
  const answer = (request: Item, { requestHeader }: HandlerContext) => {
    if (request.text === "gone") throw createRpcError(Code.NotFound, "NOTHING_HERE", "nothing here");
    const caller = requestHeader.get("x-cellway-caller") ?? "";
    return { cell: caller, text: `${version} for ${request.cell}` };
  };
  async function* stream(request: Item, context: HandlerContext) {
    yield answer(request, context);
  }
  runtime.serve(contract, { get: answer, find: answer, watch: stream } as never);
  return runtime.endpoint();
}

/** A process of release 0.1.0: it does not say what it serves, and has nobody who could be asked. */
export function createSilentProcess(cell: string, contract = BEFORE): UniversalHandlerFn {
  const endpoint = createProcess(cell, contract, "0.1.0");
  return async (req) => {
    const response = await endpoint(req);
    response.header?.delete(CONTRACT_HEADER);
    return req.url.includes("PeerService") ? { status: 404 } : response;
  };
}

/** A cell whose processes answer by turns, and what it was asked. */
interface TestCell {
  processes: UniversalHandlerFn[];
  /** Names of the methods that arrived. */
  readonly asked: string[];
}

/** Control, which has the newest contract, and cells that do not always. */
export async function startPeers(options: {
  cells: readonly string[];
  network: "memory" | "sockets";
  limits?: Partial<RpcLimits>;
}) {
  const network = options.network === "memory" ? createMemoryNetwork() : createHttpNetwork(DEFAULT_LIMITS);
  const cells = new Map<string, TestCell & { listener: NetworkListener }>();
  for (const [index, name] of options.cells.entries()) {
    let turn = 0;
    const cell: TestCell = { processes: [], asked: [] };
    const listener = await network.listen(`http://127.0.0.1:${options.network === "memory" ? index + 1 : 0}`, (req) => {
      cell.asked.push(req.url.slice(req.url.lastIndexOf("/") + 1));
      return need(cell.processes[turn++ % cell.processes.length])(req);
    });
    cells.set(name, Object.assign(cell, { listener }));
  }
  const lines: string[] = [];
  const metrics = createMetrics({ silo: "control" });
  const resolver = {
    byCellName: async (cell: string) => {
      const address = cells.get(cell)?.listener.address;
      return address === undefined ? undefined : { silo: cell, address };
    },
  } as RpcRuntimeOptions["resolver"];
  const runtime = createRpcRuntime({
    silo: createControlSilo(),
    version: "0.2.0",
    network,
    keys: createMasterKeyRing([MASTER]),
    logger: createLogger({ silo: "control", stream: { write: (line) => void lines.push(line) } }),
    metrics,
    controlAddress: "http://127.0.0.1:9",
    limits: { retryPauseMs: 1, ...options.limits },
    ...(resolver === undefined ? {} : { resolver }),
  });
  return {
    runtime,
    metrics,
    lines,
    client: runtime.client(NEXT) as unknown as NextClient,
    cell: (name: string): TestCell => need(cells.get(name)),
    async stop() {
      for (const { listener } of cells.values()) await listener.close({ graceMs: 0 });
      await network.close();
    },
  };
}

/** What a fleet of {@link startPeers} is. */
export type Peers = Awaited<ReturnType<typeof startPeers>>;

/** A method of the newest contract. */
export function nextMethod(name: string) {
  return need(NEXT.methods.find((method) => method.name === name));
}
