import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import { listenAt, sniffProtocol } from "@cellway/rpc";
import type { ClientAnswer, ClientRequest } from "./client-exchange.js";
import { createHttp1Front, type Http1Front } from "./http1-front.js";
import { createHttp2Front, type Http2Front } from "./http2/front.js";
import type { UpgradeRequest } from "./proxy-upgrade.js";

/** How strangers are treated. */
export interface EdgeServerLimits {
  /** Header bytes of a request. Default 16 KiB. */
  readonly headersMaxBytes?: number;
  /** Time for the headers of a request to arrive whole, from the first byte. Default 10,000. */
  readonly headersTimeoutMs?: number;
  /** Time for a whole request. Default 300,000. Calls of gRPC and streams of Connect go on for as long as they like. */
  readonly requestTimeoutMs?: number;
  /** How long a connection may wait for its next request. Default 65,000: longer than load balancers in front wait. */
  readonly keepAliveTimeoutMs?: number;
  /** Connections at a time; the next one is closed at once. Default 20,000. */
  readonly connectionsMax?: number;
  /** Requests at a time on one connection of HTTP/2. Default 250. */
  readonly streamsMax?: number;
}

const DEFAULT_LIMITS: Required<EdgeServerLimits> = {
  headersMaxBytes: 16 * 1_024,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 300_000,
  keepAliveTimeoutMs: 65_000,
  connectionsMax: 20_000,
  streamsMax: 250,
};

/**
 * How long a connection without a request is left open when the server stops: the request that its client may have sent
 * just now is answered, and told to come by another connection.
 */
const IDLE_GRACE_MS = 1_000;

/** What serves requests. Neither may throw. */
export interface EdgeHandlers {
  readonly onRequest: (req: ClientRequest, res: ClientAnswer) => void;
  readonly onUpgrade: (upgrade: UpgradeRequest) => void;
}

/** A public listener. */
export interface EdgeServer {
  /** `http://127.0.0.1:8100`. */
  readonly address: string;
  /** Stops accepting, lets what is in flight finish for at most `graceMs`, then ends what is left. Default 10,000. */
  close(options?: { graceMs?: number }): Promise<void>;
}

/**
 * Serves strangers over HTTP/1.1 and, on the same port, HTTP/2 without TLS (prior knowledge): refuses what two parsers could read
 * differently (a length beside chunks, two lengths, two hosts, bare line ends), headers that are too many, and senders that are
 * too slow.
 */
export async function startEdgeServer(
  address: string,
  handlers: EdgeHandlers,
  options: EdgeServerLimits = {},
): Promise<EdgeServer> {
  const limits = { ...DEFAULT_LIMITS, ...options };
  const http1 = createHttp1Front(handlers, limits);
  const http2 = createHttp2Front(handlers, limits);
  const sockets = new Set<Socket>();
  const undecided = new Set<Socket>();
  const server = createTcpServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    undecided.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      sockets.delete(socket);
      undecided.delete(socket);
    });
    sniffProtocol(socket, limits.headersTimeoutMs, (isHttp2) => {
      undecided.delete(socket);
      (isHttp2 ? http2 : http1).take(socket);
    });
  });
  server.maxConnections = limits.connectionsMax;
  const bound = await listenAt(server, address);
  let closing: Promise<void> | undefined;
  return {
    address: bound,
    close({ graceMs = 10_000 } = {}) {
      closing ??= closeServer({ server, http1, http2, sockets, undecided }, graceMs);
      return closing;
    },
  };
}

interface Parts {
  readonly server: Server;
  readonly http1: Http1Front;
  readonly http2: Http2Front;
  readonly sockets: ReadonlySet<Socket>;
  /** Connections that have not said anything. */
  readonly undecided: ReadonlySet<Socket>;
}

async function closeServer({ server, http1, http2, sockets, undecided }: Parts, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  http1.announceEnd();
  http2.announceEnd();
  const sweepFromMs = performance.now() + Math.min(IDLE_GRACE_MS, graceMs / 2);
  const sweep = setInterval(() => {
    if (performance.now() < sweepFromMs) return;
    for (const socket of undecided) socket.destroy();
    http1.closeIdle();
    http2.close();
  }, 50);
  const timer = setTimeout(() => {
    for (const socket of sockets) socket.destroy();
  }, graceMs);
  await closed;
  clearInterval(sweep);
  clearTimeout(timer);
  http1.close();
}
