import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import type { HttpServerOptions } from "./http2-server.js";
import { createGoneError, createIncomingBody } from "./incoming-body.js";
import { endStream, toHeaderRecord, writePieces } from "./outgoing-body.js";

/** An HTTP/1.1 server on connections that are given to it. */
export interface Http1Server {
  readonly server: Server;
  /** Ends idle connections now, and each other one after the response that it waits for. */
  close(): void;
}

/** Serves an endpoint over HTTP/1.1. */
export function createHttp1Server(options: HttpServerOptions): Http1Server {
  let isClosing = false;
  const timeouts = {
    headersTimeout: options.openTimeoutMs,
    requestTimeout: Math.max(options.openTimeoutMs, options.limits.timeoutMaxMs),
    connectionsCheckingInterval: Math.max(10, options.openTimeoutMs / 4),
  };
  const server = createServer(timeouts, (req, res) => {
    if (isClosing) res.shouldKeepAlive = false;
    res.once("close", () => {
      // Only now does the server count the connection as idle.
      if (isClosing) setImmediate(() => server.closeIdleConnections());
    });
    void serveRequest(req, res, options);
  });
  // It never listens itself; without this it would keep no list of connections, and neither the timeouts above nor
  // the closing of idle connections would work.
  server.emit("listening");
  return {
    server,
    close() {
      isClosing = true;
      server.close();
    },
  };
}

async function serveRequest(req: IncomingMessage, res: ServerResponse, options: HttpServerOptions): Promise<void> {
  const controller = new AbortController();
  req.on("error", () => {});
  res.on("error", () => {});
  res.once("close", () => {
    if (!res.writableFinished) controller.abort(createGoneError());
  });
  try {
    const response = await options.endpoint({
      httpVersion: req.httpVersion,
      method: req.method ?? "",
      url: `http://${req.headers.host ?? "localhost"}${req.url ?? "/"}`,
      header: toHeaders(req),
      body: createIncomingBody({
        stream: req,
        isCutOff: () => !req.complete,
        wheel: options.wheel,
        timeoutMs: options.limits.timeoutMaxMs,
      }),
      signal: controller.signal,
    });
    await respond(res, response);
  } catch {
    res.destroy();
  }
}

async function respond(res: ServerResponse, response: UniversalServerResponse): Promise<void> {
  const iterator = response.body?.[Symbol.asyncIterator]();
  try {
    let item = await iterator?.next();
    if (res.destroyed) return;
    res.writeHead(response.status, toHeaderRecord(response.header));
    while (item !== undefined && item.done !== true) {
      await writePieces(res, item.value);
      item = await iterator?.next();
    }
    if (response.trailer !== undefined) res.addTrailers(toHeaderRecord(response.trailer));
    await endStream(res);
  } finally {
    await iterator?.return?.().catch(() => {});
  }
}

function toHeaders(req: IncomingMessage): Headers {
  const header = new Headers();
  for (const [name, values] of Object.entries(req.headersDistinct)) {
    if (values !== undefined) header.set(name, values.join(", "));
  }
  return header;
}
