import { once } from "node:events";
import {
  type ClientHttp2Session,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import type { ClientRequest } from "./client-exchange.js";
import { startEdgeServer } from "./edge-server.js";
import { askHttp2, type Http2Answered, type Http2Question, openSession } from "./http2-test-support.js";
import { DEFAULT_PROXY_LIMITS, type ProxyLimits } from "./limits.js";
import { type ProxyOptions, type ProxyResult, proxyRequest } from "./proxy-request.js";
import { Upstream } from "./upstream.js";

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
