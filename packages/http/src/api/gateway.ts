import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { EdgeHandlers } from "../proxy/edge-server.js";
import { createUpgradeResponse, hasUnreadBody, isWebSocket, type UpgradeRequest } from "../proxy/proxy-upgrade.js";

/** In which a whole request that is sent on must be here, in milliseconds: uploads take their time. */
const GATEWAY_REQUEST_TIMEOUT_MS = 300_000;

/** Sends requests on that no route of this silo is for. */
export interface HttpGateway {
  /** Whether it is for the gateway to send this one on, or to say why not. */
  takes(req: IncomingMessage): boolean;
  readonly handlers: EdgeHandlers;
  /** What `/readyz` says of it. */
  report(): Readonly<Record<string, unknown>>;
  /** Tells clients to come by other connections, and waits until nothing is in flight, for at most `graceMs`. */
  drain(options: { readonly graceMs: number }): Promise<void>;
  /** Ends every connection to cells. */
  close(): Promise<void>;
}

/**
 * Puts a gateway behind the routes of a server. What it takes is not parsed, not buffered and under no limit of the routes; for those
 * the time in which a request must be here stays `ownTimeoutMs`, after which `refuseLate` is asked to end it.
 */
export function attachGateway(
  app: FastifyInstance,
  gateway: HttpGateway,
  own: { readonly timeoutMs: number; readonly refuseLate: (socket: Socket) => void },
): void {
  const upgrades = new WeakMap<IncomingMessage, UpgradeRequest>();
  const upgraded = new Set<Socket>();
  app.server.requestTimeout = GATEWAY_REQUEST_TIMEOUT_MS;
  app.server.on("upgrade", (req, socket: Socket, head) => {
    upgraded.add(socket);
    socket.on("close", () => upgraded.delete(socket));
    socket.on("error", () => socket.destroy());
    const upgrade = { req, socket, head };
    const res = createUpgradeResponse(upgrade);
    if (hasUnreadBody(req)) return void res.writeHead(400, { "content-length": 0 }).end();
    // Without an entry it is served as if it had not asked for an upgrade.
    if (isWebSocket(req)) upgrades.set(req, upgrade);
    app.routing(req, res);
  });
  app.addHook("preClose", async () => {
    for (const socket of upgraded) socket.destroy();
  });
  app.addHook("onRequest", async (request, reply) => {
    const { raw } = request;
    if (isOwn(request) || !gateway.takes(raw)) {
      limitTime(raw, own);
      return;
    }
    reply.hijack();
    const upgrade = upgrades.get(raw);
    if (upgrade === undefined) {
      gateway.handlers.onRequest(raw, reply.raw);
      return;
    }
    reply.raw.detachSocket(upgrade.socket);
    gateway.handlers.onUpgrade(upgrade);
  });
}

function isOwn({ is404, routeOptions }: FastifyRequest): boolean {
  return !is404 && routeOptions.config.isForeign !== true;
}

function limitTime(
  raw: IncomingMessage,
  { timeoutMs, refuseLate }: { readonly timeoutMs: number; readonly refuseLate: (socket: Socket) => void },
): void {
  if (raw.headers["content-length"] === undefined && raw.headers["transfer-encoding"] === undefined) return;
  const timer = setTimeout(() => {
    if (!raw.complete) refuseLate(raw.socket);
  }, timeoutMs);
  raw.once("close", () => clearTimeout(timer));
}

declare module "fastify" {
  interface FastifyContextConfig {
    /** Whether a route belongs to the other side: it is here to be told apart from nonsense. */
    isForeign?: boolean;
  }
}
