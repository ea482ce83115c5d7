import { setMaxListeners } from "node:events";
import type { ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import type { ConnectError } from "@connectrpc/connect";
import type { UniversalClientResponse } from "@connectrpc/connect/protocol";
import { markUnsent } from "../errors.js";
import type { OpenedStream } from "./http2-pool.js";
import { createUnreachableError, toAbortError } from "./network-errors.js";

/** RFC 9113 §7. */
const ERROR_CODE_REFUSED_STREAM = 7;

/** Sends the body and waits for the start of the response. */
export function openResponse(
  { stream, connection }: OpenedStream,
  body: Uint8Array,
  origin: string,
  signal: AbortSignal | undefined,
): Promise<UniversalClientResponse> {
  return new Promise((resolve, reject) => {
    const onCutOff = () => {
      fail(toStreamError(stream, undefined, origin, hasAnswered));
      connection.cancel(stream);
    };
    const isWhole = watchForEnd(stream, onCutOff);
    const trailer = new Headers();
    const state: StreamState = { failure: undefined, isWhole, wake: () => {} };
    let hasAnswered = false;
    const fail = (error: ConnectError) => {
      state.failure ??= error;
      reject(state.failure);
      state.wake();
    };
    const onAbort = () => {
      fail(toAbortError(signal as AbortSignal));
      connection.cancel(stream);
    };
    stream.on("response", (headers: IncomingHttpHeaders) => {
      hasAnswered = true;
      connection.heard();
      const header = copyHeaders(headers, new Headers());
      resolve({
        status: Number(headers[":status"] ?? 0),
        header,
        trailer,
        body: readBody({ stream, connection }, state),
      });
    });
    stream.on("trailers", (headers: IncomingHttpHeaders) => copyHeaders(headers, trailer));
    stream.on("readable", () => state.wake());
    stream.on("end", () => state.wake());
    stream.on("error", (error) => fail(toStreamError(stream, error, origin, hasAnswered)));
    stream.on("close", () => {
      signal?.removeEventListener("abort", onAbort);
      if (!isWhole()) fail(toStreamError(stream, undefined, origin, hasAnswered));
      state.wake();
    });
    listenForAbort(signal, onAbort);
    if (signal?.aborted === true) onAbort();
    stream.end(body);
  });
}

interface StreamState {
  /** Why the stream ended, when it did not end in order. Set at its close at the latest. */
  failure: ConnectError | undefined;
  readonly isWhole: () => boolean;
  /** Called when there is something to read or nothing will come any more. */
  wake: () => void;
}

async function* readBody({ stream, connection }: OpenedStream, state: StreamState): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      const chunk = stream.read() as Buffer | null;
      if (chunk !== null) {
        connection.heard();
        yield chunk;
      } else if (state.isWhole()) {
        return;
      } else if (state.failure !== undefined) {
        throw state.failure;
      } else {
        await new Promise<void>((resolve) => {
          state.wake = resolve;
        });
      }
    }
  } finally {
    // When the reader stopped early, the server must learn that nobody reads on.
    if (!state.isWhole() || !stream.writableFinished) connection.cancel(stream);
  }
}

/**
 * Tells a stream that ended in order from one that was reset with NO_ERROR, which node:http2 ends all the same: only
 * the former is still open when its end arrives. The latter may never emit "close", while its request is not written.
 */
export function watchForEnd(stream: ClientHttp2Stream, onCutOff: () => void): () => boolean {
  const push = stream.push.bind(stream);
  let isOver = false;
  let isWhole = false;
  stream.push = (chunk: unknown, encoding?: BufferEncoding) => {
    if (chunk === null && !isOver) {
      isOver = true;
      isWhole = !stream.closed;
      // After "error", which may say more.
      if (!isWhole) setImmediate(onCutOff);
    }
    return push(chunk, encoding);
  };
  return () => isWhole;
}

/** Many calls may share one signal; that is no leak, and no reason for node to warn of one. */
export function listenForAbort(signal: AbortSignal | undefined, onAbort: () => void): void {
  if (signal === undefined) return;
  setMaxListeners(0, signal);
  signal.addEventListener("abort", onAbort, { once: true });
}

function copyHeaders(headers: IncomingHttpHeaders, into: Headers): Headers {
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith(":") || value === undefined) continue;
    if (Array.isArray(value)) for (const item of value) into.append(name, item);
    else into.set(name, value);
  }
  return into;
}

/** A refused stream was, by RFC 9113 §8.7, not processed; unless the peer answered first. */
export function toStreamError(
  stream: ClientHttp2Stream,
  error: unknown,
  origin: string,
  hasAnswered: boolean,
): ConnectError {
  const failure = createUnreachableError(origin, error);
  return stream.rstCode === ERROR_CODE_REFUSED_STREAM && !hasAnswered ? markUnsent(failure) : failure;
}
