import type { Socket } from "node:net";
import type { ClientRequest } from "./client-exchange.js";
import { keepTrailers } from "./headers.js";

/** Told of a body that streams. */
export interface SendingListener {
  readonly onProgress: () => void;
  readonly onEnd: () => void;
}

/** Sends a body as it comes. @returns what stops that. */
export type BodyStream = (socket: Socket, listener: SendingListener) => () => void;

/** What is sent after the headers: nothing, bytes that are here, or bytes as they come. */
export type OutgoingBody = null | Buffer | BodyStream;

/** The body of a request on its way. */
export interface RequestBody {
  /** Whether it can be sent again: there is none, or all of it is here. */
  readonly isRepeatable: boolean;
  /** Whether it is sent in chunks, its length not being known. */
  readonly isChunked: boolean;
  /** What is sent in one attempt. */
  open(): OutgoingBody;
}

const NO_BODY: RequestBody = { isRepeatable: true, isChunked: false, open: () => null };

/**
 * Takes over the body of a request. One of a stated length up to `repeatableMaxBytes` is read whole first, which also keeps a
 * slow sender away from the upstream; any other is sent on as it comes, once.
 *
 * @throws what reading the request fails with, as a rejection: the client is gone.
 */
export function takeBody(req: ClientRequest, repeatableMaxBytes: number): RequestBody | Promise<RequestBody> {
  const length = req.headers["content-length"];
  const isChunked = req.headers["transfer-encoding"] !== undefined;
  if (!isChunked && (length === undefined || length === "0")) return NO_BODY;
  if (!isChunked && Number(length) <= repeatableMaxBytes) return readWhole(req);
  return {
    isRepeatable: false,
    isChunked,
    open: () => (socket, listener) => pump(req, { socket, isChunked, listener }),
  };
}

async function readWhole(req: ClientRequest): Promise<RequestBody> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  return { isRepeatable: true, isChunked: false, open: () => body };
}

interface Pump {
  readonly socket: Socket;
  readonly isChunked: boolean;
  readonly listener: SendingListener;
}

function pump(req: ClientRequest, { socket, isChunked, listener }: Pump): () => void {
  const onDrain = () => {
    listener.onProgress();
    req.resume();
  };
  const onData = (chunk: Buffer) => {
    listener.onProgress();
    let isRoom: boolean;
    if (isChunked) {
      socket.cork();
      socket.write(`${chunk.byteLength.toString(16)}\r\n`, "latin1");
      socket.write(chunk);
      isRoom = socket.write("\r\n", "latin1");
      socket.uncork();
    } else {
      isRoom = socket.write(chunk);
    }
    if (!isRoom) req.pause();
  };
  const onEnd = () => {
    if (isChunked) socket.write(`0\r\n${formatTrailers(req.rawTrailers)}\r\n`, "latin1");
    stop();
    listener.onEnd();
  };
  const stop = () => {
    req.off("data", onData);
    req.off("end", onEnd);
    socket.off("drain", onDrain);
    // What is still to come is read and dropped, so that the answer can be read by a client that sends first.
    req.resume();
  };
  socket.on("drain", onDrain);
  req.on("end", onEnd);
  req.on("data", onData);
  return stop;
}

function formatTrailers(raw: readonly string[]): string {
  return keepTrailers(raw)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("");
}
