import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import {
  type ClientHttp2Session,
  connect,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { afterEach } from "@jest/globals";
import type { ClientRequest } from "../client-exchange.js";
import { startEdgeServer } from "../edge-server.js";
import { DEFAULT_PROXY_LIMITS, type ProxyLimits } from "../limits.js";
import { type ProxyOptions, type ProxyResult, proxyRequest } from "../proxy-request.js";
import { type Stage, startStage } from "../test-support.js";
import { Upstream } from "../upstream.js";

/** An answer over HTTP/2, read whole. */
export interface Http2Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Whether the head was the whole answer. */
  readonly isHeadOnly: boolean;
}

/** What is asked over HTTP/2. */
export interface Http2Question {
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: Buffer | string;
  readonly trailers?: OutgoingHttpHeaders;
}

/** Opens a connection of HTTP/2 without TLS. */
export function openSession(address: string, socket?: Socket): ClientHttp2Session {
  // Megabytes.
  const session = connect(address, {
    maxSessionMemory: 1_000,
    ...(socket && { createConnection: () => socket }),
  });
  session.on("error", () => {});
  return session;
}

/** Asks, and reads the answer whole. Rejects when the stream is reset, also with NO_ERROR before its end. */
export function askHttp2(
  session: ClientHttp2Session,
  path: string,
  { headers = {}, body, trailers }: Http2Question = {},
): Promise<Http2Answered> {
  return new Promise((resolve, reject) => {
    const stream = session.request(
      { ":path": path, ":authority": "us.example.test", ...headers },
      { endStream: body === undefined && trailers === undefined, waitForTrailers: trailers !== undefined },
    );
    const chunks: Buffer[] = [];
    let answered: IncomingHttpHeaders = {};
    let ending: IncomingHttpHeaders = {};
    let isHeadOnly = false;
    let isEnded = false;
    stream.on("wantTrailers", () => stream.sendTrailers(trailers ?? {}));
    stream.on("response", (said, flags) => {
      answered = said;
      isHeadOnly = (flags & 1) !== 0;
    });
    stream.on("trailers", (said: IncomingHttpHeaders) => {
      ending = said;
    });
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => {
      isEnded = !stream.aborted;
    });
    stream.on("error", reject);
    stream.on("close", () => {
      if (!isEnded || stream.rstCode !== 0) return reject(new Error(`reset with ${stream.rstCode}`));
      const status = Number(answered[":status"]);
      resolve({ status, headers: answered, trailers: ending, body: Buffer.concat(chunks), isHeadOnly });
    });
    if (body !== undefined || trailers !== undefined) stream.end(body);
  });
}

/** Starts stages, each with a session, for the tests of a file, and ends them after each test. */
export function useHttp2Stages() {
  const stages: Stage[] = [];
  const sessions: ClientHttp2Session[] = [];
  afterEach(async () => {
    for (const session of sessions.splice(0)) session.destroy();
    await Promise.all(stages.splice(0).map((stage) => stage.stop()));
  });
  const openAnother = ({ address }: Stage): ClientHttp2Session => {
    const session = openSession(address);
    sessions.push(session);
    return session;
  };
  const start = async (...args: Parameters<typeof startStage>): Promise<Stage & { session: ClientHttp2Session }> => {
    const stage = await startStage(...args);
    stages.push(stage);
    return { ...stage, session: openAnother(stage) };
  };
  return { start, openAnother };
}

/** Resolves when a request has arrived at the server of a stage. */
export async function arrival({ server }: Stage): Promise<IncomingMessage> {
  const [req] = await once(server, "request");
  return req as IncomingMessage;
}

/** The procedure that is called. */
export const METHOD = "/acme.v1.Notes/Watch";
/** Headers of every call. */
export const GRPC = { ":method": "POST", "content-type": "application/grpc", te: "trailers" };

/** Serves one call. */
export type Serve = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => unknown;

/** Ends what was started, last first: for afterEach. */
export const undo: (() => unknown)[] = [];

/** A server of gRPC, which stands for somebody else's. */
export class GrpcServer {
  readonly sessions = new Set<ServerHttp2Session>();
  readonly server: Http2Server = createServer({ maxSessionMemory: 1_000 });
  origin = "";

  static async start(serve: Serve): Promise<GrpcServer> {
    const one = new GrpcServer();
    one.server.on("session", (session) => {
      one.sessions.add(session);
      session.on("close", () => one.sessions.delete(session));
    });
    one.server.on("stream", (stream, headers) => {
      stream.on("error", () => {});
      serve(stream, headers);
    });
    one.server.listen(0, "127.0.0.1");
    await once(one.server, "listening");
    one.origin = `http://127.0.0.1:${(one.server.address() as AddressInfo).port}`;
    undo.push(() => one.stop());
    return one;
  }

  hangUp(): void {
    for (const session of this.sessions) session.destroy();
  }

  async stop(): Promise<void> {
    this.hangUp();
    await new Promise((resolve) => {
      this.server.close(resolve);
    });
  }
}

/** A proxy in front of a server of gRPC. */
export interface GrpcStage {
  readonly session: ClientHttp2Session;
  readonly upstream: Upstream;
  readonly results: ProxyResult[];
  readonly call: (question?: Http2Question) => Promise<Http2Answered>;
}

/** Starts a proxy that sends every call on to `origin`. */
export async function startEdge(
  origin: string,
  {
    limits = {},
    before = async () => {},
    ...options
  }: Partial<ProxyOptions> & {
    limits?: Partial<ProxyLimits>;
    /** Done with each request before it is sent on. */
    before?: (req: ClientRequest) => Promise<void>;
  } = {},
): Promise<GrpcStage> {
  const upstream = new Upstream("us1", origin, { ...DEFAULT_PROXY_LIMITS, ...limits });
  const results: ProxyResult[] = [];
  const target = { upstream, headers: ["x-cellway-cell", "us1"] };
  const edge = await startEdgeServer("http://127.0.0.1:0", {
    onRequest: (req, res) =>
      void (async () => {
        await before(req);
        results.push(await proxyRequest(req, res, { name: "test-edge", ...options, target }));
      })(),
    onUpgrade: () => {},
  });
  const session = openSession(edge.address);
  undo.push(async () => {
    session.destroy();
    await edge.close({ graceMs: 100 });
    upstream.close();
  });
  return {
    session,
    upstream,
    results,
    call: ({ headers, ...rest } = {}) =>
      askHttp2(session, METHOD, { body: "", ...rest, headers: { ...GRPC, ...headers } }),
  };
}

/** Answers as a server of gRPC does. */
export function answer(stream: ServerHttp2Stream, body: Buffer | string, status = 0): void {
  stream.respond({ ":status": 200, "content-type": "application/grpc", "x-header": "a" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": String(status), "x-trailer-bin": "AAE" }));
  stream.end(body);
}

/** Reads all that a call says. */
export function readWhole(stream: ServerHttp2Stream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve) => {
    stream.on("end", () => resolve(Buffer.concat(chunks)));
  });
}
