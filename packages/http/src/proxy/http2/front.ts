import { createServer, type ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import { watchConnection } from "@cellway/rpc";
import type { EdgeHandlers, EdgeServerLimits } from "../edge-server.js";
import { Http2Answer } from "./answer.js";
import { isDuplex } from "./grpc.js";
import { Http2Request, isAmbiguousStream, type StreamOpening } from "./request.js";

/** RFC 9113 §7. */
const NO_ERROR = 0;
const LAST_STREAM_ID_MAX = 2 ** 31 - 1;
/** What may be under way on a stream that nobody reads, and on a connection. */
const STREAM_WINDOW_BYTES = 256 * 1_024;
const CONNECTION_WINDOW_BYTES = 1_024 * 1_024;
/** Megabytes that a connection's streams may have waiting; over it new streams are refused. */
const SESSION_MEMORY_MB = 64;
/** Header lines of a request. */
const HEADER_LINES_MAX = 128;

/** HTTP/2 on connections that are given to it. */
export interface Http2Front {
  take(socket: Socket): void;
  /** Tells every client to open its next stream by another connection; streams that come meanwhile are served. */
  announceEnd(): void;
  /** Ends connections as soon as they have no streams. */
  close(): void;
}

/**
 * Serves streams as requests. node and nghttp2 bound what a client can make them do for nothing: resets (1,000, then 33 a
 * second), settings, pings, frames that make no sense and pieces of headers; what is bounded here stands above and in
 * {@link EdgeServerLimits}.
 */
export function createHttp2Front(handlers: EdgeHandlers, limits: Required<EdgeServerLimits>): Http2Front {
  const sessions = new Set<ServerHttp2Session>();
  const { headersTimeoutMs: openTimeoutMs, keepAliveTimeoutMs: silenceMs } = limits;
  const patience = { openTimeoutMs, silenceMs, isIdleEnded: true };
  let taken: Socket;
  const server = createServer({
    settings: {
      maxConcurrentStreams: limits.streamsMax,
      initialWindowSize: STREAM_WINDOW_BYTES,
      maxHeaderListSize: limits.headersMaxBytes,
    },
    maxSessionMemory: SESSION_MEMORY_MB,
    maxHeaderListPairs: HEADER_LINES_MAX,
  });
  server.on("session", (session) => {
    sessions.add(session);
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    session.on("error", () => session.destroy());
    session.once("close", () => sessions.delete(session));
    watchConnection(session, taken, patience);
  });
  server.on("stream", (stream, headers, _flags, rawHeaders: string[]) =>
    serveStream({ stream, headers, rawHeaders }, handlers, limits),
  );
  server.on("sessionError", () => {});
  return {
    take(socket) {
      taken = socket;
      server.emit("connection", socket);
    },
    announceEnd() {
      for (const session of sessions) if (!session.destroyed) session.goaway(NO_ERROR, LAST_STREAM_ID_MAX);
    },
    close() {
      for (const session of sessions) session.close();
    },
  };
}

function serveStream(opening: StreamOpening, handlers: EdgeHandlers, limits: Required<EdgeServerLimits>): void {
  const { stream } = opening;
  const req = new Http2Request(opening);
  const res = new Http2Answer(stream, req);
  const fault = findFault(opening, limits);
  if (fault !== undefined) {
    res.writeHead(fault).end();
    return;
  }
  if (!req.complete && !isDuplex(req)) {
    const timer = setTimeout(() => refuseSlow(req, res), limits.requestTimeoutMs).unref();
    req.once("close", () => clearTimeout(timer));
  }
  handlers.onRequest(req, res);
}

function findFault(opening: StreamOpening, { headersMaxBytes }: Required<EdgeServerLimits>): number | undefined {
  if (isAmbiguousStream(opening)) return 400;
  // nghttp2 holds a client to what it was told only when the client has said that it knows.
  let bytes = 0;
  for (const text of opening.rawHeaders) bytes += text.length;
  return bytes > headersMaxBytes ? 431 : undefined;
}

function refuseSlow(req: Http2Request, res: Http2Answer): void {
  if (req.complete || res.destroyed) return;
  if (res.isBegun) res.destroy();
  else res.writeHead(408).end();
}
