import { createServer, type IncomingMessage, type RequestListener, request, type Server } from "node:http";
import type { Socket } from "node:net";
import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import type { RunningRouter } from "@cellway/http";
import { type LocalityRouterOptions, startLocalityRouter } from "@cellway/locality-router";
import { createLogger, createMetrics, type Metrics } from "@cellway/telemetry";
import type { Fleet } from "@cellway/testing";
import { createEdge } from "./route-feed.js";
import { listen, startTcpProxy } from "./tcp-proxy.js";

/** An HTTP server that stands for what listens at a cell's HTTP address. */
export interface CellListener {
  readonly address: string;
  readonly server: Server;
  /** Paths that it was asked for. */
  readonly asked: string[];
  /** Answers with the cell's name unless it is replaced. */
  listener: RequestListener;
  stop(): Promise<void>;
}

export async function startCellListener(name: string): Promise<CellListener> {
  const cell: { listener: RequestListener } = { listener: (_req, res) => void res.end(name) };
  const asked: string[] = [];
  const server = createServer((req, res) => {
    // Routers ask when they like: that is no request of anybody's.
    if (req.url === "/healthz") return void res.end();
    asked.push(req.url ?? "");
    cell.listener(req, res);
  });
  const address = await listen(server);
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return Object.assign(cell, { address, server, asked, stop });
}

/** Says in the directory where a cell serves HTTP. */
export async function announce(fleet: Fleet, name: string, httpAddress: string): Promise<void> {
  await fleet.client(DirectoryService).updateCell({ name, httpAddress, updateMask: { paths: ["http_address"] } });
}

/** A router for `us.example.test` and, when it is told so, others. */
export async function startRouter(
  fleet: Fleet,
  options: Partial<LocalityRouterOptions> = {},
): Promise<RunningRouter & { metrics: Metrics }> {
  const metrics = options.metrics ?? createMetrics({ silo: "edge:us-router" });
  const router = await startLocalityRouter({
    name: "us-router",
    rpc: options.rpc ?? createEdge(fleet),
    logger: createLogger({ silo: "edge:us-router", level: "silent" }),
    localities: ["us"],
    localityUrl: "https://{locality}.example.test",
    listen: "http://127.0.0.1:0",
    adminListen: "http://127.0.0.1:0",
    pauseMs: 5,
    pauseMaxMs: 50,
    ...options,
    metrics,
  });
  return { ...router, metrics };
}

/** What was answered. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
  /** Of the problem; empty when it is none. */
  readonly code: string;
}

export interface Asking {
  readonly host?: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

/** Asks a router, as a client of this host would. */
export function ask(
  router: Pick<RunningRouter, "address">,
  path: string,
  { host = "us.example.test", method = "GET", headers = {}, body }: Asking = {},
): Promise<Answer> {
  const { hostname, port } = new URL(router.address);
  return new Promise((resolve, reject) => {
    const req = request({ hostname, port, path, method, headers: { ...headers, host }, agent: false }, (res) => {
      const chunks: Buffer[] = [];
      res.on("data", (chunk: Buffer) => chunks.push(chunk));
      res.on("error", reject);
      res.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        const isProblem = res.headers["content-type"] === "application/problem+json";
        const code = isProblem ? (JSON.parse(text) as { code: string }).code : "";
        resolve({ status: res.statusCode ?? 0, headers: res.headers, text, code });
      });
    });
    req.on("error", reject);
    req.end(body);
  });
}

/** Does wrong between a router and a cell. */
export type Fault = "none" | "hold" | "crawl" | "reset";

/** A TCP proxy in front of an address. */
export async function startFaultProxy(
  origin: string,
): Promise<{ address: string; fault: Fault; stop(): Promise<void> }> {
  const state: { fault: Fault } = { fault: "none" };
  return Object.assign(state, await startTcpProxy(origin, (near, chunk) => void spoil(near, chunk, state)));
}

async function spoil(near: Socket, chunk: Buffer, { fault }: { fault: Fault }): Promise<void> {
  if (fault === "none") near.write(chunk);
  if (fault === "reset") {
    near.write(chunk.subarray(0, chunk.byteLength - 1));
    setImmediate(() => near.resetAndDestroy());
  }
  if (fault !== "crawl") return;
  for (const byte of chunk) {
    near.write(Buffer.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
}
