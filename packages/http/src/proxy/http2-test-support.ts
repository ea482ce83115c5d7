import { type ClientHttp2Session, connect, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http2";
import type { Socket } from "node:net";

/** An answer over HTTP/2, read whole. */
export interface Http2Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Whether the head was the whole answer. */
  readonly isHeadOnly: boolean;
}

/** What is asked over HTTP/2. */
export interface Http2Question {
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: Buffer | string;
  readonly trailers?: OutgoingHttpHeaders;
}

/** Opens a connection of HTTP/2 without TLS. */
export function openSession(address: string, socket?: Socket): ClientHttp2Session {
  // Megabytes.
  const session = connect(address, {
    maxSessionMemory: 1_000,
    ...(socket && { createConnection: () => socket }),
  });
  session.on("error", () => {});
  return session;
}

/** Asks, and reads the answer whole. Rejects when the stream is reset, also with NO_ERROR before its end. */
export function askHttp2(
  session: ClientHttp2Session,
  path: string,
  { headers = {}, body, trailers }: Http2Question = {},
): Promise<Http2Answered> {
  return new Promise((resolve, reject) => {
    const stream = session.request(
      { ":path": path, ":authority": "us.example.test", ...headers },
      { endStream: body === undefined && trailers === undefined, waitForTrailers: trailers !== undefined },
    );
    const chunks: Buffer[] = [];
    let answered: IncomingHttpHeaders = {};
    let ending: IncomingHttpHeaders = {};
    let isHeadOnly = false;
    let isEnded = false;
    stream.on("wantTrailers", () => stream.sendTrailers(trailers ?? {}));
    stream.on("response", (said, flags) => {
      answered = said;
      isHeadOnly = (flags & 1) !== 0;
    });
    stream.on("trailers", (said: IncomingHttpHeaders) => {
      ending = said;
    });
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => {
      isEnded = !stream.aborted;
    });
    stream.on("error", reject);
    stream.on("close", () => {
      if (!isEnded || stream.rstCode !== 0) return reject(new Error(`reset with ${stream.rstCode}`));
      const status = Number(answered[":status"]);
      resolve({ status, headers: answered, trailers: ending, body: Buffer.concat(chunks), isHeadOnly });
    });
    if (body !== undefined || trailers !== undefined) stream.end(body);
  });
}
