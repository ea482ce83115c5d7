import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  createServer as createRawHttp2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import { type AddressInfo, createServer as createRawTcpServer, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { ConnectError } from "@connectrpc/connect";
import {
  createAsyncIterable,
  type UniversalHandlerFn,
  type UniversalServerRequest,
  type UniversalServerResponse,
} from "@connectrpc/connect/protocol";
import { DEFAULT_LIMITS, type RpcLimits } from "../settings.js";
import { createHttpNetwork } from "./http-network.js";
import { collectBody, type Network, type UnaryPost } from "./network.js";

/** Limits at which a dead peer is found out while a test can wait for it. */
export const QUICK_LIMITS: RpcLimits = {
  ...DEFAULT_LIMITS,
  connectTimeoutMs: 400,
  pingIntervalMs: 100,
  pingTimeoutMs: 150,
};

/** What a test has started, to be stopped in reverse order. */
export function createScope() {
  const cleanups: (() => unknown)[] = [];
  return {
    defer(cleanup: () => unknown) {
      cleanups.push(cleanup);
    },
    network(limits: Partial<RpcLimits> = {}): Network {
      const network = createHttpNetwork({ ...QUICK_LIMITS, ...limits });
      cleanups.push(() => network.close());
      return network;
    },
    async listen(network: Network, endpoint: UniversalHandlerFn, port = 0) {
      const listener = await network.listen(`http://127.0.0.1:${port}`, endpoint);
      cleanups.push(() => listener.close({ graceMs: 0 }));
      return listener;
    },
    async close() {
      for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
    },
  };
}

export type Scope = ReturnType<typeof createScope>;

/** A promise with its levers. */
export function createGate<T = void>() {
  let open!: (value: T) => void;
  const opened = new Promise<T>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

/** A call to `path` with a deadline far away, unless something else is said. */
export function callTo(origin: string, path = "/echo", more: Partial<UnaryPost> = {}): UnaryPost {
  return {
    origin,
    path,
    header: { "content-type": "application/proto" },
    body: Buffer.from("hello"),
    deadlineAtMs: Date.now() + 20_000,
    signal: undefined,
    ...more,
  };
}

/** The error that a call fails with, and after how long. */
export async function failureOf(call: Promise<unknown>): Promise<{ error: ConnectError; tookMs: number }> {
  const startedAtMs = performance.now();
  const outcome = await call.then(
    () => new Error("the call succeeded"),
    (error: unknown) => error,
  );
  if (!(outcome instanceof ConnectError)) throw outcome;
  return { error: outcome, tookMs: performance.now() - startedAtMs };
}

type Route = (req: UniversalServerRequest) => Promise<UniversalServerResponse>;

/** An endpoint with `/echo` and the given routes. */
export function createTestEndpoint(routes: Readonly<Record<string, Route>> = {}): UniversalHandlerFn {
  const all: Readonly<Record<string, Route>> = { "/echo": answerWithBody, ...routes };
  return async (req) => (await all[new URL(req.url).pathname]?.(req)) ?? { status: 404 };
}

/** Answers with the request's own body. */
async function answerWithBody(req: UniversalServerRequest): Promise<UniversalServerResponse> {
  const body = await collectBody(req.body as AsyncIterable<Uint8Array>, 64 * 1024 * 1024);
  return { status: 200, header: new Headers(), body: createAsyncIterable([body ?? new Uint8Array(0)]) };
}

/** A route that tells who called and holds the answer back. */
export function createHeldRoute() {
  const entered = createGate<AbortSignal>();
  const release = createGate();
  const route: Route = async (req) => {
    entered.open(req.signal);
    await release.opened;
    return answerWithBody(req);
  };
  return { route, entered: entered.opened, release: release.open };
}

/** A bare node:http2 server that does what peers of ours should not. */
export async function startRawHttp2(
  scope: Scope,
  onStream: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void,
  settings = {},
) {
  const sessions = new Set<ServerHttp2Session>();
  const server = createRawHttp2Server({ settings });
  let connections = 0;
  server.on("session", (session) => {
    connections += 1;
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
    session.on("error", () => {});
  });
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    onStream(stream, headers);
  });
  const origin = await listenRaw(server);
  scope.defer(async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const session of sessions) session.destroy();
    await closed;
  });
  return { origin, sessions, connections: () => connections };
}

/** A bare TCP server. */
export async function startRawTcp(scope: Scope, onSocket: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const server = createRawTcpServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    onSocket(socket);
  });
  const origin = await listenRaw(server);
  scope.defer(async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  return { origin, sockets };
}

/** Frames of RFC 9113, by hand: what node:http2 would not send. */
export function frame(
  type: "data" | "headers" | "reset" | "settings" | "push" | "window",
  streamId: number,
  payload: Uint8Array,
  flags = 0,
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.byteLength, 0, 3);
  head[3] = { data: 0, headers: 1, reset: 3, settings: 4, push: 5, window: 8 }[type];
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

/** `:status: 200` and nothing else. */
export const STATUS_200 = Uint8Array.of(0x88);
/** END_HEADERS. */
export const END_HEADERS = 4;

/** An error code as the payload of a reset. */
export function resetCode(code: number): Uint8Array {
  return Uint8Array.of(0, 0, 0, code);
}

/** A peer that greets properly and answers each request with the frames given. */
export async function startFramePeer(scope: Scope, answer: (streamId: number) => readonly Buffer[]) {
  const prefaceBytes = 24;
  return startRawTcp(scope, (socket) => {
    let received = Buffer.alloc(0);
    let at = prefaceBytes;
    socket.write(frame("settings", 0, new Uint8Array(0)));
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      while (received.byteLength >= at + 9) {
        const end = at + 9 + received.readUIntBE(at, 3);
        if (received[at + 3] === 1) socket.write(Buffer.concat(answer(received.readUInt32BE(at + 5))));
        at = end;
      }
    });
  });
}

async function listenRaw(server: Pick<Server, "listen" | "address" | "once">): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const CHILD = `
const { listenHttp } = await import(process.argv[1]);
const { DEFAULT_LIMITS } = await import(process.argv[2]);
const endpoint = (req) => {
  if (!req.url.endsWith("/hang")) return Promise.resolve({ status: 200, header: new Headers() });
  console.log("entered");
  return new Promise(() => {});
};
const listener = await listenHttp("http://127.0.0.1:" + process.argv[3], endpoint, DEFAULT_LIMITS);
console.log(listener.address);
`;

/** A peer in a process of its own: answers everything, except that calls of `/hang` are entered and left alone. */
export async function startChild(scope: Scope, port = "0") {
  const modules = ["./http-listener.js", "../settings.js"].map((path) => new URL(path, import.meta.url).href);
  const child: ChildProcess = spawn(process.execPath, ["--input-type=module", "-e", CHILD, ...modules, port], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout as NonNullable<ChildProcess["stdout"]> })[Symbol.asyncIterator]();
  const exited = once(child, "exit");
  scope.defer(async () => {
    child.kill("SIGKILL");
    await exited;
  });
  const nextLine = async (): Promise<string> => (await lines.next()).value as string;
  return { origin: await nextLine(), nextLine, kill: (signal: NodeJS.Signals) => child.kill(signal), exited };
}
