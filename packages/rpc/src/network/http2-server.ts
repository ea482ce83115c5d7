import { createServer, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import type { UniversalHandlerFn, UniversalServerResponse } from "@connectrpc/connect/protocol";
import type { RpcLimits } from "../settings.js";
import type { DeadlineWheel } from "./deadline-wheel.js";
import { discardRest } from "./discard-rest.js";
import { createGoneError, createIncomingBody } from "./incoming-body.js";
import { endStream, toHeaderRecord, writePieces } from "./outgoing-body.js";
import { watchConnection } from "./watch-connection.js";

/** RFC 9113 §7. */
const ERROR_CODE_INTERNAL_ERROR = 2;
const WINDOW_BYTES = 1024 * 1024;

/** What both servers behind a listener are made of. */
export interface HttpServerOptions {
  readonly endpoint: UniversalHandlerFn;
  readonly limits: RpcLimits;
  readonly wheel: DeadlineWheel;
  /** How long a new connection may take to say something that makes sense. */
  readonly openTimeoutMs: number;
  /** How long a connection of HTTP/2 may say nothing, not even answer a ping. */
  readonly silenceMs: number;
}

/** HTTP/2 on connections that are given to it. */
export interface Http2Listener {
  take(socket: Socket): void;
  /** Those that are open. */
  readonly sessions: ReadonlySet<ServerHttp2Session>;
}

/** Serves an endpoint over HTTP/2. */
export function createHttp2Server(options: HttpServerOptions): Http2Listener {
  const sessions = new Set<ServerHttp2Session>();
  let taken: Socket;
  const server = createServer({
    settings: { maxConcurrentStreams: options.limits.streamsPerSessionMax, initialWindowSize: WINDOW_BYTES },
    // Megabytes. Each stream has at most a piece of its response waiting here.
    maxSessionMemory: 256,
  });
  server.on("session", (session) => {
    sessions.add(session);
    session.setLocalWindowSize(WINDOW_BYTES);
    session.once("close", () => sessions.delete(session));
    session.on("error", () => session.destroy());
    watchConnection(session, taken, { ...options, isIdleEnded: false });
  });
  server.on("stream", (stream, headers) => void serveStream(stream, headers, options));
  return {
    sessions,
    take(socket) {
      taken = socket;
      server.emit("connection", socket);
    },
  };
}

async function serveStream(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  options: HttpServerOptions,
): Promise<void> {
  const controller = new AbortController();
  const onGone = () => {
    if (!stream.writableFinished) controller.abort(createGoneError());
  };
  stream.on("error", () => {});
  stream.once("aborted", onGone);
  stream.once("close", onGone);
  try {
    const response = await options.endpoint({
      httpVersion: "2",
      method: headers[":method"] ?? "",
      url: `http://${headers[":authority"] ?? "localhost"}${headers[":path"] ?? "/"}`,
      header: toHeaders(headers),
      body: createIncomingBody({
        stream,
        isCutOff: () => stream.aborted,
        wheel: options.wheel,
        timeoutMs: options.limits.timeoutMaxMs,
      }),
      signal: controller.signal,
    });
    await respond(stream, response);
  } catch {
    stream.close(ERROR_CODE_INTERNAL_ERROR);
  }
}

async function respond(stream: ServerHttp2Stream, response: UniversalServerResponse): Promise<void> {
  const iterator = response.body?.[Symbol.asyncIterator]();
  try {
    // Headers go out after the first piece exists: until then the implementation may still set them.
    let item = await iterator?.next();
    if (stream.destroyed || stream.closed) return;
    const { trailer } = response;
    stream.respond(
      { ":status": response.status, ...toHeaderRecord(response.header) },
      { waitForTrailers: trailer !== undefined },
    );
    const trailersSent = trailer === undefined ? undefined : sendTrailersWhenAsked(stream, trailer);
    while (item !== undefined && item.done !== true) {
      await writePieces(stream, item.value);
      item = await iterator?.next();
    }
    await endStream(stream);
    await trailersSent;
    if (!stream.readableEnded && !stream.destroyed) discardRest(stream);
  } finally {
    await iterator?.return?.().catch(() => {});
  }
}

function sendTrailersWhenAsked(stream: ServerHttp2Stream, trailer: Headers): Promise<void> {
  return new Promise((resolve) => {
    stream.once("close", resolve);
    stream.once("wantTrailers", () => {
      try {
        stream.sendTrailers(toHeaderRecord(trailer));
      } catch {
        stream.close(ERROR_CODE_INTERNAL_ERROR);
      }
      // node:http2 hands them on in an immediate of its own.
      setImmediate(resolve);
    });
  });
}

function toHeaders(headers: IncomingHttpHeaders): Headers {
  const header = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith(":") || value === undefined) continue;
    header.set(name, Array.isArray(value) ? value.join(", ") : value);
  }
  return header;
}
