import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";

/** A request as a client sent it, over HTTP/1.1 (node's IncomingMessage is one) or HTTP/2. Its stream is the body. */
export interface ClientRequest extends Readable {
  readonly method?: string | undefined;
  /** Path and query. */
  readonly url?: string | undefined;
  /** `1.1`, `2.0`. */
  readonly httpVersion: string;
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: string[];
  /** The same of the trailers, once the body has ended. */
  readonly rawTrailers: string[];
  /** Whether the last byte of it has come. */
  readonly complete: boolean;
  /** The connection: the same object for all its requests. */
  readonly socket: { readonly remoteAddress?: string | undefined };
}

/** The answer to a {@link ClientRequest}: node's ServerResponse is one. */
export interface ClientAnswer {
  readonly destroyed: boolean;
  readonly writableEnded: boolean;
  /** Whether the connection may be used for another request; means nothing in HTTP/2, where connections are told themselves. */
  shouldKeepAlive?: boolean;
  setHeader(name: string, value: string): unknown;
  writeHead(status: number, headers?: OutgoingHttpHeaders): this;
  /** @param headers names and values in turn. */
  writeHead(status: number, message: string, headers: string[]): this;
  flushHeaders(): void;
  /** Whether there is room for more; else `drain` tells when there is. */
  write(chunk: Buffer): boolean;
  end(chunk?: Buffer): unknown;
  addTrailers(trailers: ReadonlyArray<[string, string]>): void;
  /** Ends it so that it does not look whole. */
  destroy(): unknown;
  on(event: "close", listener: () => void): unknown;
  once(event: "close" | "drain", listener: () => void): unknown;
  off(event: "close" | "drain", listener: () => void): unknown;
}
