import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type Socket, Server as TcpServer } from "node:net";
import { listenAt } from "@cellway/rpc";
import type { UpgradeRequest } from "./proxy-upgrade.js";

/** How strangers are treated. */
export interface EdgeServerLimits {
  /** Header bytes of a request. Default 16 KiB. */
  readonly headersMaxBytes?: number;
  /** Time for the headers of a request to arrive whole, from the first byte. Default 10,000. */
  readonly headersTimeoutMs?: number;
  /** Time for a whole request. Default 300,000. */
  readonly requestTimeoutMs?: number;
  /** How long a connection may wait for its next request. Default 65,000: longer than load balancers in front wait. */
  readonly keepAliveTimeoutMs?: number;
  /** Connections at a time; the next one is closed at once. Default 20,000. */
  readonly connectionsMax?: number;
}

/**
 * How long a connection without a request is left open when the server stops: the request that its client may have sent
 * just now is answered, and told to come by another connection.
 */
const IDLE_GRACE_MS = 1_000;

/** What serves requests. Neither may throw. */
export interface EdgeHandlers {
  readonly onRequest: (req: IncomingMessage, res: ServerResponse) => void;
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
 * Serves strangers over HTTP/1.1: refuses what two parsers could read differently (a length beside chunks, two lengths, two
 * hosts, bare line ends), headers that are too many, and senders that are too slow.
 */
export async function startEdgeServer(
  address: string,
  handlers: EdgeHandlers,
  limits: EdgeServerLimits = {},
): Promise<EdgeServer> {
  const headersTimeoutMs = limits.headersTimeoutMs ?? 10_000;
  const server = createServer({
    maxHeaderSize: limits.headersMaxBytes ?? 16 * 1_024,
    headersTimeout: headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs ?? 300_000,
    keepAliveTimeout: limits.keepAliveTimeoutMs ?? 65_000,
    connectionsCheckingInterval: Math.min(2_000, headersTimeoutMs / 2),
    insecureHTTPParser: false,
    requireHostHeader: true,
    noDelay: true,
  });
  server.maxConnections = limits.connectionsMax ?? 20_000;
  const upgraded = new Set<Socket>();
  let isClosing = false;
  server.on("request", (req, res) => {
    // Told with the answer, so that the client opens its next connection elsewhere.
    if (isClosing) res.shouldKeepAlive = false;
    if (!refuseAmbiguous(req, res)) handlers.onRequest(req, res);
  });
  server.on("upgrade", (req, socket, head) => {
    upgraded.add(socket as Socket);
    socket.on("close", () => upgraded.delete(socket as Socket));
    socket.on("error", () => socket.destroy());
    handlers.onUpgrade({ req, socket: socket as Socket, head });
  });
  const bound = await listenAt(server, address);
  let closing: Promise<void> | undefined;
  return {
    address: bound,
    close({ graceMs = 10_000 } = {}) {
      isClosing = true;
      closing ??= closeServer(server, upgraded, graceMs);
      return closing;
    },
  };
}

/** Whether a request is valid by its grammar and means different things to different readers: two hosts, a whole URL. */
export function isAmbiguousRequest(req: IncomingMessage): boolean {
  let hosts = 0;
  for (let index = 0; index < req.rawHeaders.length; index += 2) {
    if (req.rawHeaders[index]?.toLowerCase() === "host") hosts += 1;
  }
  return hosts > 1 || req.url?.startsWith("/") !== true;
}

function refuseAmbiguous(req: IncomingMessage, res: ServerResponse): boolean {
  if (!isAmbiguousRequest(req)) return false;
  res.writeHead(400, { connection: "close", "content-length": 0 }).end();
  return true;
}

async function closeServer(server: Server, upgraded: ReadonlySet<Socket>, graceMs: number): Promise<void> {
  // Not close() of HTTP's server: it ends idle connections at once, and with them requests that are on their way.
  const closed = new Promise<void>((resolve) => {
    TcpServer.prototype.close.call(server, () => resolve());
  });
  const sweepFromMs = performance.now() + Math.min(IDLE_GRACE_MS, graceMs / 2);
  const sweep = setInterval(() => {
    if (performance.now() >= sweepFromMs) server.closeIdleConnections();
  }, 50);
  const timer = setTimeout(() => {
    server.closeAllConnections();
    for (const socket of upgraded) socket.destroy();
  }, graceMs);
  await closed;
  clearInterval(sweep);
  clearTimeout(timer);
  // Ends its watch over slow senders.
  server.close();
}
