import { create, type DescMessage, type DescMethod, type JsonObject } from "@bufbuild/protobuf";
import { createControlSilo } from "@cellway/silo";
import { createLogger, createMetrics } from "@cellway/telemetry";
import { Code, type ConnectError, createContextValues, type Interceptor } from "@connectrpc/connect";
import { describe, expect, it } from "@jest/globals";
import { currentCall } from "../context.js";
import { reasonOf } from "../errors.js";
import type { CellResolver } from "../resolver.js";
import { createMethodSwitch } from "../settings.js";
import { createTestFile, need } from "../test-support.js";
import { kCaller } from "./endpoint.js";
import { createServerInterceptors, type ServerChainOptions } from "./interceptors.js";

const of = (name: string, option: JsonObject, more: JsonObject = {}) => ({
  name,
  inputType: ".test.Item",
  outputType: ".test.Item",
  options: { "[cellway.contract.v1.method]": { allowedCallers: ["CALLER_CELL", "CALLER_CONTROL"], ...option } },
  ...more,
});
const serviceOf = (name: string, localMode: string, method: JsonObject[]) => ({
  name,
  options: { "[cellway.contract.v1.service]": { key: name.toLowerCase(), localMode } },
  method,
});
const FILE = createTestFile({
  name: "interceptors.test.proto",
  messageType: [
    {
      name: "Item",
      field: [
        { name: "cell", number: 1, label: "LABEL_OPTIONAL", type: "TYPE_STRING" },
        { name: "id", number: 2, label: "LABEL_OPTIONAL", type: "TYPE_INT64" },
      ],
    },
  ],
  service: [
    serviceOf("Central", "SILO_MODE_CONTROL", [
      of("Get", { callerOwnsOrganization: "id", timeout: "7s" }),
      of("Watch", { callerOwnsOrganization: "id" }, { serverStreaming: true }),
    ]),
    serviceOf("Local", "SILO_MODE_CELL", [of("Watch", { resolve: { byCellName: "cell" } }, { serverStreaming: true })]),
  ],
});
const ITEM: DescMessage = need(FILE.getMessage("test.Item"));
const methodOf = (service: string, name: string): DescMethod =>
  need(FILE.getService(`test.${service}`)?.methods.find((method) => method.name === name));

/** us1 has organization 1, de1 has all others. */
const RESOLVER = {
  byOrganizationId: async (id: string) => ({ silo: id === "1" ? "us1" : "de1", address: "http://test:1" }),
} as Partial<CellResolver> as CellResolver;

/** What became of a call of us1: what the implementation was given and knew, or the reason why it was not entered. */
async function call(
  method: DescMethod,
  fields: { cell?: string; id?: bigint },
  options: { resolver?: CellResolver | undefined; caller?: "CELL" | "CONTROL"; header?: Record<string, string> } = {},
) {
  const lines: string[] = [];
  const chain: ServerChainOptions = {
    silo: createControlSilo(),
    resolver: "resolver" in options ? options.resolver : RESOLVER,
    methodSwitch: createMethodSwitch(),
    logger: createLogger({ silo: "control", stream: { write: (line) => void lines.push(line) } }),
    metrics: createMetrics({ silo: "control" }),
    translateError: () => undefined,
  };
  const kind = options.caller ?? "CELL";
  const message = create<DescMessage>(ITEM, fields);
  const stream = method.methodKind !== "unary";
  const entered: object[] = [];
  let leftMs = 0;
  const implementation = async (req: { message: object }) => {
    for await (const item of stream ? (req.message as AsyncIterable<object>) : [req.message]) entered.push(item);
    leftMs = need(currentCall()).deadlineAtMs - Date.now();
    return { stream: false, header: new Headers() };
  };
  const run = createServerInterceptors(chain).reduceRight<Parameters<Interceptor>[0]>(
    (next, interceptor) => interceptor(next),
    implementation as never,
  );
  const messages = (async function* () {
    yield message;
  })();
  const outcome = await run({
    stream,
    service: method.parent,
    method,
    message: stream ? messages : message,
    header: new Headers(options.header),
    contextValues: createContextValues().set(kCaller, { silo: "us1", kind, viewer: undefined }),
  } as never).then(
    () => "entered",
    (error: ConnectError) => `${Code[error.code]} ${reasonOf(error) ?? ""}`,
  );
  expect(entered).toHaveLength(outcome === "entered" ? 1 : 0);
  return { outcome, leftMs, lines };
}

const GET = methodOf("Central", "Get");

describe.each([
  ["a unary method", GET],
  ["a stream", methodOf("Central", "Watch")],
])("an organization that %s is about", (_what, method) => {
  it("must live in the calling cell; control may ask about any", async () => {
    expect((await call(method, { id: 1n })).outcome).toBe("entered");
    expect((await call(method, { id: 2n })).outcome).toBe("PermissionDenied ORGANIZATION_NOT_OWNED");
    expect((await call(method, {})).outcome).toBe("PermissionDenied ORGANIZATION_NOT_OWNED");
    expect((await call(method, { id: 2n }, { caller: "CONTROL" })).outcome).toBe("entered");
  });

  it("is nobody's where nothing knows whose it is, and the log says so", async () => {
    const { outcome, lines } = await call(method, { id: 1n }, { resolver: undefined });
    expect(outcome).toBe("FailedPrecondition WRONG_SILO");
    expect(lines.join("")).toContain(`"method":"central.${method.name}"`);
    expect((await call(method, { id: 1n }, { resolver: undefined, caller: "CONTROL" })).outcome).toBe("entered");
  });
});

it("a stream for a cell that is not here is refused before it is entered", async () => {
  expect((await call(methodOf("Local", "Watch"), { cell: "us9" })).outcome).toBe("FailedPrecondition WRONG_CELL");
});

describe("the time that a caller gave", () => {
  const grpc = { "content-type": "application/grpc+proto" };
  it.each([
    ["Connect", { "connect-timeout-ms": "1500" }, 1_500],
    ["Connect, with a header of gRPC", { "connect-timeout-ms": "1500", "grpc-timeout": "3S" }, 1_500],
    ["gRPC", { ...grpc, "grpc-timeout": "3S" }, 3_000],
    ["gRPC-Web", { "content-type": "application/grpc-web+proto", "grpc-timeout": "250m" }, 250],
    ["gRPC, with a header of Connect", { ...grpc, "grpc-timeout": "3S", "connect-timeout-ms": "x" }, 3_000],
    ["gRPC, with nothing but a header of Connect", { ...grpc, "connect-timeout-ms": "x" }, 7_000],
    ["nobody", {}, 7_000],
    ["what is no number", { "connect-timeout-ms": "x" }, 7_000],
    ["what is no time", { "connect-timeout-ms": "-5" }, 7_000],
    ["what has no unit", { ...grpc, "grpc-timeout": "3" }, 7_000],
  ] as [string, Record<string, string>, number][])("is read in the words of its protocol: %s", async (...row) => {
    const [, header, timeoutMs] = row;
    const { leftMs } = await call(GET, { id: 1n }, { header });
    expect(leftMs).toBeLessThanOrEqual(timeoutMs);
    expect(leftMs).toBeGreaterThan(timeoutMs - 200);
  });
});
