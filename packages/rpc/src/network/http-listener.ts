import type { ServerHttp2Session } from "node:http2";
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import type { UniversalHandlerFn } from "@connectrpc/connect/protocol";
import type { RpcLimits } from "../settings.js";
import { DeadlineWheel } from "./deadline-wheel.js";
import { createHttp1Server, type Http1Server } from "./http1-server.js";
import { createHttp2Server } from "./http2-server.js";
import { listenAt } from "./listen.js";
import type { NetworkListener } from "./network.js";
import { sniffProtocol } from "./sniff-protocol.js";

const ERROR_CODE_NO_ERROR = 0;
const LAST_STREAM_ID_MAX = 2 ** 31 - 1;
/** Between the two goodbyes: more than a round trip. */
const GOODBYE_MS = 50;
/** After so much silence the system asks whether the other side still exists. */
const TCP_KEEP_ALIVE_MS = 30_000;

/** How a listener treats strangers. */
export interface ListenOptions {
  /** How long a new connection may take to say which protocol it speaks, and to finish its greeting. Default 10,000. */
  readonly openTimeoutMs?: number;
  /** How long a connection of HTTP/2 may say nothing, not even answer a ping. Default 60,000. */
  readonly silenceMs?: number;
}

/**
 * Serves an endpoint over HTTP/2 without TLS (prior knowledge) and HTTP/1.1 on one port: the first three bytes of a
 * connection tell them apart. Runtimes speak HTTP/2; HTTP/1.1 is for tools.
 */
export async function listenHttp(
  address: string,
  endpoint: UniversalHandlerFn,
  limits: RpcLimits,
  { openTimeoutMs = 10_000, silenceMs = 60_000 }: ListenOptions = {},
): Promise<NetworkListener> {
  const sockets = new Set<Socket>();
  const undecided = new Set<Socket>();
  const options = { endpoint, limits, wheel: new DeadlineWheel(), openTimeoutMs, silenceMs };
  const http2 = createHttp2Server(options);
  const http1 = createHttp1Server(options);
  const server = createTcpServer(
    { noDelay: true, keepAlive: true, keepAliveInitialDelay: TCP_KEEP_ALIVE_MS },
    (socket) => {
      sockets.add(socket);
      undecided.add(socket);
      socket.on("close", () => {
        sockets.delete(socket);
        undecided.delete(socket);
      });
      socket.on("error", () => socket.destroy());
      sniffProtocol(socket, openTimeoutMs, (isHttp2) => {
        undecided.delete(socket);
        if (isHttp2) http2.take(socket);
        else http1.server.emit("connection", socket);
      });
    },
  );
  let bound: string;
  try {
    bound = await listenAt(server, address);
  } catch (error) {
    http1.close();
    throw error;
  }
  let closing: Promise<void> | undefined;
  return {
    address: bound,
    close(options) {
      closing ??= closeListener(
        { server, http1, sessions: http2.sessions, sockets, undecided },
        options?.graceMs ?? 5_000,
      );
      return closing;
    },
  };
}

interface ListenerParts {
  readonly server: Server;
  readonly http1: Http1Server;
  readonly sessions: ReadonlySet<ServerHttp2Session>;
  readonly sockets: ReadonlySet<Socket>;
  /** Connections that have not said which protocol they speak. */
  readonly undecided: ReadonlySet<Socket>;
}

/**
 * Stops accepting, then says goodbye on every session in two steps, as RFC 9113 §6.8 asks: first so that callers
 * stop opening streams, then for good. Calls in flight finish within the grace time.
 */
async function closeListener(parts: ListenerParts, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => parts.server.close(() => resolve()));
  const deadline = setTimeout(() => {
    for (const session of parts.sessions) session.destroy();
    for (const socket of parts.sockets) socket.destroy();
  }, graceMs);
  parts.http1.close();
  for (const session of parts.sessions) {
    if (!session.destroyed) session.goaway(ERROR_CODE_NO_ERROR, LAST_STREAM_ID_MAX);
  }
  await new Promise((resolve) => setTimeout(resolve, Math.min(GOODBYE_MS, graceMs)));
  for (const socket of parts.undecided) socket.destroy();
  for (const session of parts.sessions) session.close();
  await closed;
  clearTimeout(deadline);
}
