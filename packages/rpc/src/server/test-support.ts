import {
  create,
  type DescMessage,
  type DescService,
  type JsonObject,
  type MessageShape,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";
import { createCellSilo } from "@cellway/silo";
import { createLogger, createMetrics } from "@cellway/telemetry";
import { Code } from "@connectrpc/connect";
import {
  createAsyncIterable,
  type UniversalHandlerFn,
  type UniversalServerResponse,
} from "@connectrpc/connect/protocol";
import { jest } from "@jest/globals";
import { createMemoryNetwork } from "../network/memory-network.js";
import { createRpcRuntime, type RpcRuntimeOptions } from "../runtime.js";
import { createCellKeyRing, createMasterKeyRing, deriveCellKey } from "../signing/keys.js";
import { joinEncodings, signRequest } from "../signing/signature.js";
import { createTestFile, need } from "../test-support.js";

const MASTER = { id: "k1", secret: new Uint8Array(32).fill(1) };
export const CONTROL_KEYS = createMasterKeyRing([MASTER]);
export const US1_KEYS = createCellKeyRing("us1", [deriveCellKey(MASTER, "us1")]);
const ORIGIN = "http://us1.internal:8011";
export const GET = "/test.Local/Get";
export const MESSAGE_MAX_BYTES = 4_096;

const OPTION: JsonObject = {
  "[cellway.contract.v1.method]": { resolve: { byCellName: "cell" }, allowedCallers: ["CALLER_CONTROL"] },
  idempotencyLevel: "NO_SIDE_EFFECTS",
};
const methodNamed = (name: string, more: JsonObject = {}) => ({
  name,
  inputType: ".test.Item",
  outputType: ".test.Item",
  options: OPTION,
  ...more,
});

const FILE = createTestFile({
  name: "endpoint.test.proto",
  messageType: [
    {
      name: "Item",
      field: [
        { name: "cell", jsonName: "cell", number: 1, label: "LABEL_OPTIONAL", type: "TYPE_STRING" },
        { name: "text", jsonName: "text", number: 2, label: "LABEL_OPTIONAL", type: "TYPE_STRING" },
      ],
    },
  ],
  service: [
    {
      name: "Local",
      options: { "[cellway.contract.v1.service]": { key: "local", localMode: "SILO_MODE_CELL" } },
      method: [methodNamed("Get"), methodNamed("Find"), methodNamed("Watch", { serverStreaming: true })],
    },
  ],
});

export const LOCAL: DescService = need(FILE.getService("test.Local"));
const ITEM: DescMessage = need(FILE.getMessage("test.Item"));
type Item = MessageShape<typeof ITEM> & { cell: string; text: string };

export const entered = jest.fn((request: Item) => ({ text: `for ${request.cell}` }));

/** The endpoint of us1, as a runtime serves it. `entered` is called whenever its one implementation is. */
export function createUs1(options: Partial<RpcRuntimeOptions> = {}): UniversalHandlerFn {
  entered.mockClear();
  const runtime = createRpcRuntime({
    silo: createCellSilo("us1"),
    network: createMemoryNetwork(),
    keys: US1_KEYS,
    logger: createLogger({ silo: "us1", level: "silent" }),
    metrics: createMetrics({ silo: "us1" }),
    controlAddress: "http://control.internal:8001",
    limits: { messageMaxBytes: MESSAGE_MAX_BYTES },
    ...options,
  });
  runtime.serve(LOCAL, {
    get: entered,
    find: entered,
    async *watch(request: Item) {
      yield entered(request);
    },
  } as never);
  return runtime.endpoint();
}

/** How a protocol writes a request with one message, and where it puts the outcome. */
interface Protocol {
  readonly contentType: string;
  readonly encodingHeader: string;
  /** The body for one message; `isCompressed` says that the bytes are. */
  frame(message: Uint8Array, isCompressed?: boolean): Uint8Array;
  serialize(item: Item): Uint8Array;
  /** The code and everything else that was said of an error. */
  read(response: UniversalServerResponse): Promise<{ code: string; text: string }>;
}

export function envelope(message: Uint8Array, flags: number): Uint8Array {
  const head = Buffer.alloc(5);
  head.writeUInt8(flags, 0);
  head.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([head, message]);
}

export async function bytesOf(response: UniversalServerResponse): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of response.body ?? []) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const nameOfCode = (code: number) =>
  code === 0 ? "ok" : (Code[code] ?? "none").replace(/([a-z])([A-Z])/g, "$1_$2").toLowerCase();

async function readConnect(response: UniversalServerResponse) {
  const text = (await bytesOf(response)).toString();
  return {
    code: response.status === 200 ? "ok" : (JSON.parse(text) as { code: string }).code,
    text: text + decodeDetails(text),
  };
}

/** The details of an error are base64 of a message; its strings are readable inside. */
export function decodeDetails(text: string): string {
  return [...text.matchAll(/"value":"([A-Za-z0-9+/_-]+)"/g)]
    .map(([, value]) => Buffer.from(value ?? "", "base64").toString())
    .join("");
}

function describeStatus(status: string | null, all: string) {
  const details = /grpc-status-details-bin[:,] ?([A-Za-z0-9+/_-]+)/.exec(all)?.[1] ?? "";
  return { code: nameOfCode(Number(status ?? -1)), text: all + Buffer.from(details, "base64").toString() };
}

const binary = (item: Item) => toBinary(ITEM, item);
const PROTOCOLS: Record<string, Protocol> = {
  Connect: {
    contentType: "application/proto",
    encodingHeader: "content-encoding",
    frame: (message) => message,
    serialize: binary,
    read: readConnect,
  },
  "Connect with JSON": {
    contentType: "application/json",
    encodingHeader: "content-encoding",
    frame: (message) => message,
    serialize: (item) => Buffer.from(toJsonString(ITEM, item)),
    read: readConnect,
  },
  gRPC: {
    contentType: "application/grpc+proto",
    encodingHeader: "grpc-encoding",
    frame: (message, isCompressed) => envelope(message, isCompressed === true ? 1 : 0),
    serialize: binary,
    async read(response) {
      const body = await bytesOf(response);
      const fields = [...(response.header ?? []), ...(response.trailer ?? [])]
        .map(([name, value]) => `${name}: ${value}`)
        .join("\n");
      return describeStatus(
        response.trailer?.get("grpc-status") ?? response.header?.get("grpc-status") ?? null,
        fields + body.toString(),
      );
    },
  },
  "gRPC-Web": {
    contentType: "application/grpc-web+proto",
    encodingHeader: "grpc-encoding",
    frame: (message, isCompressed) => envelope(message, isCompressed === true ? 1 : 0),
    serialize: binary,
    async read(response) {
      const text = (await bytesOf(response)).toString();
      return describeStatus(/grpc-status: ?(\d+)/.exec(text)?.[1] ?? null, text);
    },
  },
};
export const NAMES = Object.keys(PROTOCOLS);
export const protocolOf = (name: string) => need(PROTOCOLS[name]);

export interface Sent {
  path: string;
  method: string;
  header: Headers;
  body: Uint8Array;
}

export const requestItem = () => create(ITEM, { cell: "us1", text: "a text" }) as Item;

/** A good signed request of control to us1. */
export function createSigned(protocol: Protocol, options: { message?: Uint8Array; isCompressed?: boolean } = {}): Sent {
  const header = new Headers({ "content-type": protocol.contentType });
  if (options.isCompressed === true) header.set(protocol.encodingHeader, "gzip");
  const sent = {
    path: GET,
    method: "POST",
    header,
    body: protocol.frame(options.message ?? protocol.serialize(requestItem()), options.isCompressed),
  };
  sign(sent);
  return sent;
}

export function sign({ path, header, body }: Sent): void {
  const key = need(CONTROL_KEYS.keysBetween("control", "us1")[0]);
  const content = {
    path,
    contentType: header.get("content-type") ?? "",
    encoding: joinEncodings(header),
    viewer: "",
    body,
  };
  header.set("authorization", signRequest(key, { caller: "control", audience: "us1", nowMs: Date.now() }, content));
}

export function send(
  endpoint: UniversalHandlerFn,
  sent: Sent,
  body: AsyncIterable<Uint8Array> = createAsyncIterable([sent.body]),
): Promise<UniversalServerResponse> {
  return endpoint({
    httpVersion: "2",
    method: sent.method,
    url: ORIGIN + sent.path,
    header: sent.header,
    body,
    signal: new AbortController().signal,
  });
}

/** Changes one part of `<key id>.<timestamp>.<nonce>.<caller>.<audience>.<code>`. */
export function changePart(header: Headers, index: number, value: (old: string) => string): void {
  const [scheme = "", claims = ""] = (header.get("authorization") ?? "").split(" ");
  header.set(
    "authorization",
    `${scheme} ${claims
      .split(".")
      .map((part, at) => (at === index ? value(part) : part))
      .join(".")}`,
  );
}
