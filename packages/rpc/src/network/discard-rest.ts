import type { ServerHttp2Stream } from "node:http2";
import type { Readable } from "node:stream";

/** RFC 9113 §7. */
const ERROR_CODE_NO_ERROR = 0;
/** How long the rest of a request may come after it was answered. */
const DISCARD_TIMEOUT_MS = 1_000;

/**
 * Reads the rest of a request that was answered early and drops it, so that the session's window stays open for others.
 * The stream is reset only when the rest is long in coming: tools take a reset for a failure, whatever its code.
 *
 * @param body - what reads the stream, where that is not the stream itself.
 */
export function discardRest(stream: ServerHttp2Stream, body: Readable = stream): void {
  const timer = setTimeout(() => stream.close(ERROR_CODE_NO_ERROR), DISCARD_TIMEOUT_MS).unref();
  body.once("end", () => clearTimeout(timer));
  stream.once("close", () => clearTimeout(timer));
  body.resume();
}
