import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { ClientRequest } from "./client-exchange.js";
import type { EdgeHandlers, EdgeServerLimits } from "./edge-server.js";
import { createUpgradeResponse, hasUnreadBody, isWebSocket } from "./proxy-upgrade.js";

/** HTTP/1.1 on connections that are given to it. */
export interface Http1Front {
  take(socket: Socket): void;
  /** From now on answers tell their client to come by another connection. */
  announceEnd(): void;
  closeIdle(): void;
  /** Ends the watch over slow senders. */
  close(): void;
}

/** Serves requests of HTTP/1.1, and upgrades to WebSocket. */
export function createHttp1Front(handlers: EdgeHandlers, limits: Required<EdgeServerLimits>): Http1Front {
  const server = createServer({
    maxHeaderSize: limits.headersMaxBytes,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: Math.min(2_000, limits.headersTimeoutMs / 2),
    insecureHTTPParser: false,
    requireHostHeader: true,
  });
  let isEnding = false;
  server.on("request", (req, res) => {
    if (isEnding) res.shouldKeepAlive = false;
    if (isAmbiguousRequest(req)) refuse(res);
    else handlers.onRequest(req, res);
  });
  server.on("upgrade", (req: IncomingMessage, socket: Socket, head: Buffer) => {
    const upgrade = { req, socket, head };
    if (isAmbiguousRequest(req) || hasUnreadBody(req)) refuse(createUpgradeResponse(upgrade));
    else if (isWebSocket(req)) handlers.onUpgrade(upgrade);
    // As if it had not asked, which every client allows for.
    else handlers.onRequest(req, createUpgradeResponse(upgrade));
  });
  // It never listens itself; without this it would keep no list of connections, and so no time limits.
  server.emit("listening");
  return {
    take: (socket) => void server.emit("connection", socket),
    announceEnd() {
      isEnding = true;
    },
    closeIdle: () => server.closeIdleConnections(),
    close: () => void server.close(),
  };
}

/** Whether a request is valid by its grammar and means different things to different readers: two hosts, a whole URL. */
export function isAmbiguousRequest(req: ClientRequest): boolean {
  let hosts = 0;
  for (let index = 0; index < req.rawHeaders.length; index += 2) {
    if (req.rawHeaders[index]?.toLowerCase() === "host") hosts += 1;
  }
  return hosts > 1 || req.url?.startsWith("/") !== true;
}

function refuse(res: ServerResponse): void {
  res.writeHead(400, { connection: "close", "content-length": 0 }).end();
}
