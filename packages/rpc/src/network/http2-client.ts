import type { UniversalClientFn, UniversalClientRequest } from "@connectrpc/connect/protocol";
import { markUnsent } from "../errors.js";
import type { RpcLimits } from "../settings.js";
import { DeadlineWheel } from "./deadline-wheel.js";
import { type ConnectionPool, createConnectionPool, type OpenedStream } from "./http2-pool.js";
import { FRAMING_MAX_BYTES, postUnary } from "./http2-post.js";
import { listenForAbort, openResponse } from "./http2-stream.js";
import { collectBody, type UnaryPost, type UnaryReply } from "./network.js";
import { createTooLargeError, createUnreachableError, toAbortError } from "./network-errors.js";

/** An HTTP/2 client with its connections. */
export interface Http2Client {
  readonly post: (request: UnaryPost) => Promise<UnaryReply>;
  readonly send: UniversalClientFn;
  /** Ends all connections and the calls on them. Nothing is sent after this. */
  close(): void;
}

/**
 * An HTTP/2 client that keeps a small pool of connections per origin and never leaves a call without an answer: a
 * stream that ends before its response is whole fails at once as UNAVAILABLE, whatever code the server reset it with;
 * a silent connection is pinged and dropped; what surely never reached the server is marked unsent.
 */
export function createHttp2Client(limits: RpcLimits): Http2Client {
  const pools = new Map<string, ConnectionPool>();
  const wheel = new DeadlineWheel();
  let isClosed = false;
  const poolOf = (origin: string): ConnectionPool => {
    if (isClosed) throw markUnsent(createUnreachableError(origin, new Error("this side is shutting down")));
    let pool = pools.get(origin);
    if (pool === undefined) {
      pool = createConnectionPool(origin, limits);
      pools.set(origin, pool);
    }
    return pool;
  };
  return {
    post: async (request) =>
      postUnary(request, { pool: poolOf(request.origin), wheel, messageMaxBytes: limits.messageMaxBytes }),
    async send(req) {
      const url = new URL(req.url);
      const pool = poolOf(url.origin);
      const body =
        req.body === undefined
          ? new Uint8Array(0)
          : await collectBody(req.body, limits.messageMaxBytes + FRAMING_MAX_BYTES);
      if (body === undefined) throw markUnsent(createTooLargeError("request", limits.messageMaxBytes));
      const opened = await openOrAbort(pool, url.pathname + url.search, req);
      return openResponse(opened, body, url.origin, req.signal);
    },
    close() {
      isClosed = true;
      for (const pool of pools.values()) pool.close();
    },
  };
}

/** Opens the stream of a call, or rejects as soon as the signal aborts. */
function openOrAbort(
  pool: ConnectionPool,
  path: string,
  { header, signal }: UniversalClientRequest,
): Promise<OpenedStream> {
  const record: Record<string, string> = {};
  header.forEach((value, key) => {
    record[key] = value;
  });
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(toAbortError(signal as AbortSignal));
    if (signal?.aborted === true) {
      onAbort();
      return;
    }
    listenForAbort(signal, onAbort);
    pool
      .pick()
      .open(path, record, () => signal?.aborted === true)
      .then(resolve, reject)
      .finally(() => signal?.removeEventListener("abort", onAbort));
  });
}
