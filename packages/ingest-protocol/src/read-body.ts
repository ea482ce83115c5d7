import type { IncomingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";

/** A request of HTTP, of whatever version. Its stream is the body. */
export interface BodyRequest extends Readable {
  readonly url?: string | undefined;
  readonly headers: IncomingHttpHeaders;
}

/** Why a body was not read: too large, too slow, more than there is room for, or its sender is gone. */
export class BodyError extends Error {
  override readonly name = "BodyError";

  constructor(readonly why: "too_large" | "too_slow" | "no_room" | "gone") {
    super(`The body of the request is ${why.replace("_", " ")}.`);
  }
}

/** How a body is read. */
export interface BodyLimits {
  readonly maxBytes: number;
  /** Until all of it is here, from now, in milliseconds. Default: no limit of its own. */
  readonly timeoutMs?: number;
  /** Asked for room for each piece that comes; false ends it. Default: there is. */
  readonly takeRoom?: (bytes: number) => boolean;
}

/**
 * Reads the body of a request as it is, compressed or not, and never more than the limit of it.
 *
 * @throws BodyError. What is left of the body then was not read: end the connection with the answer.
 */
export function readBody(req: BodyRequest, { maxBytes, timeoutMs, takeRoom }: BodyLimits): Promise<Buffer> {
  if (Number(req.headers["content-length"] ?? 0) > maxBytes) return Promise.reject(new BodyError("too_large"));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => end(new BodyError("too_slow")), timeoutMs);
    const end = (error?: BodyError) => {
      clearTimeout(timer);
      req.off("data", onData).off("end", onEnd).off("close", onGone);
      if (error === undefined) return resolve(Buffer.concat(chunks, bytes));
      req.pause();
      reject(error);
    };
    const onData = (chunk: Buffer) => {
      bytes += chunk.byteLength;
      if (bytes > maxBytes) return end(new BodyError("too_large"));
      if (takeRoom?.(chunk.byteLength) === false) return end(new BodyError("no_room"));
      chunks.push(chunk);
    };
    const onEnd = () => end();
    const onGone = () => end(new BodyError("gone"));
    req.on("error", () => {});
    req.on("data", onData).on("end", onEnd).on("close", onGone);
    if (req.destroyed && !req.readableEnded) onGone();
  });
}
