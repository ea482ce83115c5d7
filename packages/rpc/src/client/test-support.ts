import type { DescService, JsonObject } from "@bufbuild/protobuf";
import { createMonolithSilo } from "@cellway/silo";
import { createLogger, createMetrics } from "@cellway/telemetry";
import { type CallOptions, Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { createRpcError } from "../errors.js";
import { createMemoryNetwork } from "../network/memory-network.js";
import { createRpcRuntime } from "../runtime.js";
import { createMethodSwitch } from "../settings.js";
import { createMasterKeyRing } from "../signing/keys.js";
import { createTestFile, need } from "../test-support.js";

/** `Item`, the request and the response of every method of the test. */
export interface Item {
  cell: string;
  names: string[];
}

type ItemInit = Partial<Item>;
export type Implementation = (request: Item, context: HandlerContext) => unknown;

/** A client of a service that is only known at run time. */
interface TestClient {
  get(request: ItemInit, options?: CallOptions): Promise<Item>;
  find(request: ItemInit, options?: CallOptions): Promise<Item>;
  watch(request: ItemInit, options?: CallOptions): AsyncIterable<Item>;
  collect(requests: AsyncIterable<ItemInit>, options?: CallOptions): Promise<Item>;
}

const of = (name: string, option: JsonObject, more: JsonObject = {}) => ({
  name,
  inputType: ".test.Item",
  outputType: ".test.Item",
  options: { "[cellway.contract.v1.method]": { allowedCallers: ["CALLER_CONTROL", "CALLER_CELL"], ...option } },
  ...more,
});
const serviceOf = (name: string, localMode: string, method: JsonObject[]) => ({
  name,
  options: { "[cellway.contract.v1.service]": { key: name.toLowerCase(), localMode } },
  method,
});

const FILE = createTestFile({
  name: "direct.test.proto",
  messageType: [
    {
      name: "Item",
      field: [
        {
          name: "cell",
          number: 1,
          label: "LABEL_OPTIONAL",
          type: "TYPE_STRING",
          options: { "[buf.validate.field]": { string: { maxLen: "10" } } },
        },
        { name: "names", number: 2, label: "LABEL_REPEATED", type: "TYPE_STRING" },
      ],
    },
  ],
  service: [
    serviceOf("Central", "SILO_MODE_CONTROL", [
      of("Get", { timeout: "2s" }),
      of("Find", { allowedCallers: ["CALLER_CONTROL"] }),
    ]),
    serviceOf("Local", "SILO_MODE_CELL", [
      of("Get", { resolve: { byCellName: "cell" } }),
      of("Find", { resolve: { byOrganizationSlug: "cell" }, allowedCallers: ["CALLER_CELL"] }),
      of("Watch", { resolve: { byCellName: "cell" } }, { serverStreaming: true }),
      of("Collect", { resolve: { byCellName: "cell" } }, { clientStreaming: true }),
    ]),
  ],
});

const CENTRAL: DescService = need(FILE.getService("test.Central"));
const LOCAL: DescService = need(FILE.getService("test.Local"));
export const ITEM = need(FILE.getMessage("test.Item"));

/** A monolith with the given implementations of both services, and everything that can be seen of it. */
export function createMonolith(implementations: {
  central?: Record<string, Implementation>;
  local?: Record<string, Implementation>;
}) {
  const lines: string[] = [];
  const metrics = createMetrics({ silo: "monolith" });
  const methodSwitch = createMethodSwitch();
  const runtime = createRpcRuntime({
    silo: createMonolithSilo(["us1", "de1"]),
    network: createMemoryNetwork(),
    keys: createMasterKeyRing([{ id: "k1", secret: new Uint8Array(32).fill(1) }]),
    logger: createLogger({ silo: "monolith", stream: { write: (line) => void lines.push(line) } }),
    metrics,
    controlAddress: "http://control.internal:8001",
    methodSwitch,
    translateError: (error) =>
      error instanceof RangeError
        ? createRpcError(Code.Unavailable, "DATABASE_UNAVAILABLE", "The database is away.", { cause: error })
        : undefined,
  });
  runtime.serve(CENTRAL, implementations.central as never);
  runtime.serve(LOCAL, implementations.local as never);
  return {
    central: runtime.client(CENTRAL) as unknown as TestClient,
    local: runtime.client(LOCAL) as unknown as TestClient,
    lines,
    metrics,
    methodSwitch,
  };
}

/** The error that a call fails with. */
export async function failure(promise: Promise<unknown>): Promise<ConnectError> {
  const error: unknown = await promise.then(
    (value) => new Error(`it gave ${JSON.stringify(value)}`),
    (thrown: unknown) => thrown,
  );
  if (error instanceof ConnectError) return error;
  throw error;
}

/** All that a stream gives. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** What an implementation returns that does not answer. */
export const never = () => new Promise<never>(() => {});
