import { createServer, type IncomingMessage, type RequestListener, request, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import type { ClientAnswer, ClientRequest } from "./client-exchange.js";
import { type EdgeServer, type EdgeServerLimits, startEdgeServer } from "./edge-server.js";
import { DEFAULT_PROXY_LIMITS, type ProxyLimits } from "./limits.js";
import { type ProxyOptions, type ProxyResult, proxyRequest } from "./proxy-request.js";
import { proxyUpgrade } from "./proxy-upgrade.js";
import { Upstream } from "./upstream.js";

/** A proxy in front of an HTTP server that stands for somebody else's. */
export interface Stage {
  readonly address: string;
  readonly origin: string;
  readonly server: Server;
  readonly upstream: Upstream;
  readonly results: ProxyResult[];
  readonly edge: EdgeServer;
  stop(): Promise<void>;
}

/** Starts a server and a proxy that sends everything on to it. */
export async function startStage(
  listener: RequestListener,
  options: Partial<Omit<ProxyOptions, "target">> & {
    limits?: Partial<ProxyLimits>;
    edgeLimits?: EdgeServerLimits;
    origin?: string;
  } = {},
): Promise<Stage> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const origin = options.origin ?? `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const upstream = new Upstream("us1", origin, { ...DEFAULT_PROXY_LIMITS, ...options.limits });
  const results: ProxyResult[] = [];
  const target = { upstream, headers: ["x-cellway-cell", "us1"] };
  const handlers = {
    onRequest: (req: ClientRequest, res: ClientAnswer) =>
      void proxyRequest(req, res, { name: "test-edge", ...options, target }).then((result) => results.push(result)),
    onUpgrade: (upgrade: Parameters<typeof proxyUpgrade>[0]) =>
      void proxyUpgrade(upgrade, { name: "test-edge", ...options, target }).then((result) => results.push(result)),
  };
  const edge = await startEdgeServer("http://127.0.0.1:0", handlers, options.edgeLimits);
  return {
    address: edge.address,
    origin,
    server,
    upstream,
    results,
    edge,
    async stop() {
      await edge.close({ graceMs: 100 });
      upstream.close();
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

/** An answer, read whole. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly trailers: IncomingMessage["trailers"];
  readonly body: Buffer;
}

/** Asks, and reads the answer whole. Rejects when it breaks off. */
export function ask(
  url: string,
  {
    method = "GET",
    headers = {},
    body,
  }: { method?: string; headers?: Record<string, string>; body?: Buffer | string } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const req = request(url, { method, headers, agent: false }, (res) => {
      const chunks: Buffer[] = [];
      res.on("data", (chunk: Buffer) => chunks.push(chunk));
      res.on("error", reject);
      res.on("end", () => {
        const { statusCode = 0, trailers } = res;
        resolve({ status: statusCode, headers: res.headers, trailers, body: Buffer.concat(chunks) });
      });
    });
    req.on("error", reject);
    req.end(body);
  });
}

/** Sends bytes as they are and reads until the connection ends. */
export function sendRaw(address: string, text: string): Promise<string> {
  const { hostname, port } = new URL(address);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(text));
    let read = "";
    socket.on("data", (chunk) => {
      read += chunk.toString("latin1");
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(read));
  });
}

/** The problem in an answer. */
export function problemIn(answer: Answer): { status: number; code: string; detail: string } {
  return JSON.parse(answer.body.toString()) as { status: number; code: string; detail: string };
}

/** Answers with what it was asked. */
export const echo: RequestListener = (req, res) => {
  const chunks: Buffer[] = [];
  req.on("data", (chunk: Buffer) => chunks.push(chunk));
  req.on("end", () => {
    const { method, url, headers } = req;
    res.setHeader("content-type", "application/json");
    res.end(JSON.stringify({ method, url, headers, body: Buffer.concat(chunks).toString("base64") }));
  });
};
/** What {@link echo} was asked. */
export interface Echo {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: string;
}
/** Reads an answer of {@link echo}. */
export const readEcho = (body: Buffer) => JSON.parse(body.toString()) as Echo;
