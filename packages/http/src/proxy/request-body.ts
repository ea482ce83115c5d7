import type { IncomingMessage } from "node:http";
import { PassThrough, type Readable } from "node:stream";

/** The body of a request on its way. */
export interface RequestBody {
  /** Whether it can be sent again: there is none, or all of it is here. */
  readonly isRepeatable: boolean;
  /** What is sent in one attempt. */
  open(): Buffer | Readable | null;
}

/**
 * Takes over the body of a request. One of a stated length up to `repeatableMaxBytes` is read whole first, which also keeps a
 * slow sender away from the upstream; any other is sent on as it comes, once.
 *
 * @throws what reading the request fails with: the client is gone.
 */
export async function takeBody(req: IncomingMessage, repeatableMaxBytes: number): Promise<RequestBody> {
  const length = req.headers["content-length"];
  const isChunked = req.headers["transfer-encoding"] !== undefined;
  if (!isChunked && (length === undefined || length === "0")) return { isRepeatable: true, open: () => null };
  if (!isChunked && Number(length) <= repeatableMaxBytes) {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    return { isRepeatable: true, open: () => body };
  }
  // Not the request itself: undici destroys a body that it could not send, and with it the client's connection.
  return { isRepeatable: false, open: () => pipeBody(req) };
}

function pipeBody(req: IncomingMessage): Readable {
  const body = new PassThrough();
  // An error without a listener would end the process; undici hears of it by its own listener.
  body.on("error", () => {});
  const onLost = () => {
    if (!req.complete) body.destroy(new Error("The client went away in the middle of its request."));
  };
  req.once("close", onLost);
  body.once("close", () => {
    req.off("close", onLost);
    req.unpipe(body);
    // What is still to come is read and dropped, so that the answer can be read by a client that sends first.
    req.resume();
  });
  req.pipe(body);
  return body;
}
