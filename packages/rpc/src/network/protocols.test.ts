import { once } from "node:events";
import { connect } from "node:net";
import { Health, HealthCheckResponse_ServingStatus as Status } from "@cellway/gen/grpc/health/v1/health";
import { Code, ConnectError, createClient, createConnectRouter, type Transport } from "@connectrpc/connect";
import { type UniversalClientFn } from "@connectrpc/connect/protocol";
import { createTransport as createConnectTransport } from "@connectrpc/connect/protocol-connect";
import { createTransport as createGrpcTransport } from "@connectrpc/connect/protocol-grpc";
import { createTransport as createGrpcWebTransport } from "@connectrpc/connect/protocol-grpc-web";
import { createConnectTransport as createHttp1Transport } from "@connectrpc/connect-node";
import { afterEach, expect, test } from "@jest/globals";
import { createEndpoint, throwRefusal } from "../server/endpoint.js";
import type { Verifier } from "../signing/verifier.js";
import { createScope, startRawTcp } from "./test-support.js";

const scope = createScope();
afterEach(() => scope.close());

const MESSAGE_MAX_BYTES = 100_000;
const CALLER = { silo: "us1", kind: "CELL", viewer: undefined } as const;
/** Finds nothing wrong with anybody, once the body is whole. */
const CREDULOUS = { checkHeader: () => ({ outcome: "signed" }), checkBody: () => CALLER } as unknown as Verifier;

/** Health behind the endpoint of a silo, guarded, so that bodies are collected as for every other method. */
function createHealthEndpoint(onWatch: (signal: AbortSignal) => void = () => {}) {
  const router = createConnectRouter({ readMaxBytes: MESSAGE_MAX_BYTES, requestGate: throwRefusal });
  router.service(Health, {
    check: () => ({ status: Status.SERVING }),
    async *watch(_, context) {
      onWatch(context.signal);
      yield { status: Status.SERVING };
      if (!context.signal.aborted) await once(context.signal, "abort");
    },
  });
  const handlers = router.handlers.map((handler) => ({
    handler,
    name: `health.${handler.method.name}`,
    guard: "signed" as const,
  }));
  return createEndpoint({
    contract: "0.2.0;0123456789abcdef",
    handlers,
    verifier: CREDULOUS,
    messageMaxBytes: MESSAGE_MAX_BYTES,
  });
}

const PROTOCOLS = { connect: createConnectTransport, grpc: createGrpcTransport, "grpc-web": createGrpcWebTransport };
const NAMES = Object.keys(PROTOCOLS) as (keyof typeof PROTOCOLS)[];

function createTransport(protocol: keyof typeof PROTOCOLS, baseUrl: string, httpClient: UniversalClientFn): Transport {
  return PROTOCOLS[protocol]({
    baseUrl,
    httpClient,
    useBinaryFormat: true,
    interceptors: [],
    acceptCompression: [],
    sendCompression: null,
    compressMinBytes: 1_000_000_000,
    readMaxBytes: 1_000_000_000,
    writeMaxBytes: 1_000_000_000,
  });
}

test.each(NAMES)("%s: a request over the limit is RESOURCE_EXHAUSTED, and the session stays", async (protocol) => {
  // 20 MB through one busy process may hold up a ping; what is shown here is that the refusal does not end the session.
  const network = scope.network({ messageMaxBytes: 50_000_000, pingTimeoutMs: 30_000, connectTimeoutMs: 30_000 });
  const { address } = await scope.listen(network, createHealthEndpoint());
  let connections = 0;
  const proxy = await startRawTcp(scope, (socket) => {
    connections += 1;
    const upstream = connect(Number(new URL(address).port), "127.0.0.1").on("error", () => {});
    socket.pipe(upstream).pipe(socket);
    socket.on("close", () => upstream.destroy());
  });
  const client = createClient(Health, createTransport(protocol, proxy.origin, network.send));
  for (const bytes of [MESSAGE_MAX_BYTES * 2, 20_000_000]) {
    const error = await client.check({ service: "x".repeat(bytes) }).then(
      () => undefined,
      (reason: unknown) => ConnectError.from(reason),
    );
    expect(error?.code).toBe(Code.ResourceExhausted);
    expect((await client.check({})).status).toBe(Status.SERVING);
  }
  expect(connections).toBe(1);
});

test("HTTP/1.1: a request over the limit is RESOURCE_EXHAUSTED too", async () => {
  const network = scope.network();
  const { address } = await scope.listen(network, createHealthEndpoint());
  const client = createClient(
    Health,
    createHttp1Transport({ baseUrl: address, httpVersion: "1.1", nodeOptions: { agent: false } }),
  );
  const error = await client.check({ service: "x".repeat(3_000_000) }).then(
    () => undefined,
    (reason: unknown) => ConnectError.from(reason),
  );
  expect(error?.code).toBe(Code.ResourceExhausted);
  expect((await client.check({})).status).toBe(Status.SERVING);
});

test.each(NAMES)("%s: a stream ends with its caller's signal, and with its deadline", async (protocol) => {
  const network = scope.network();
  const signals: AbortSignal[] = [];
  const { address } = await scope.listen(
    network,
    createHealthEndpoint((signal) => signals.push(signal)),
  );
  const client = createClient(Health, createTransport(protocol, address, network.send));
  const controller = new AbortController();
  const codeOf = async (options: { signal?: AbortSignal; timeoutMs?: number }, onMessage = () => {}) => {
    try {
      for await (const _ of client.watch({}, options)) onMessage();
      return undefined;
    } catch (error) {
      return ConnectError.from(error).code;
    }
  };
  expect(await codeOf({ signal: controller.signal }, () => controller.abort())).toBe(Code.Canceled);
  expect(await codeOf({ timeoutMs: 80 })).toBe(Code.DeadlineExceeded);
  for (const signal of signals) if (!signal.aborted) await once(signal, "abort");
});

test.each(NAMES)("%s: a listener that is dropped under a stream ends it as UNAVAILABLE", async (protocol) => {
  const network = scope.network();
  const listener = await scope.listen(network, createHealthEndpoint());
  const client = createClient(Health, createTransport(protocol, listener.address, network.send));
  let closed: Promise<void> | undefined;
  const read = async () => {
    for await (const _ of client.watch({})) closed ??= listener.close({ graceMs: 0 });
  };
  const error = await read().then(
    () => undefined,
    (reason: unknown) => ConnectError.from(reason),
  );
  expect(error?.code).toBe(Code.Unavailable);
  await closed;
});
