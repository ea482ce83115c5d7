import type { IncomingHttpHeaders } from "node:http";
import type { ServerHttp2Stream, IncomingHttpHeaders as StreamHeaders } from "node:http2";
import { Readable } from "node:stream";
import type { ClientRequest } from "../client-exchange.js";

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** What opens a stream of HTTP/2. */
export interface StreamOpening {
  readonly stream: ServerHttp2Stream;
  readonly headers: StreamHeaders;
  /** Names and values in turn. */
  readonly rawHeaders: readonly string[];
}

/**
 * A request of HTTP/2, told as HTTP/1.1 would have it: `host` says what `:authority` said, `cookie` is one header, and a body of
 * unknown length is chunked. One that is cut off fails its reader.
 */
export class Http2Request extends Readable implements ClientRequest {
  readonly httpVersion = "2.0";
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: string[];
  readonly rawTrailers: string[] = [];
  readonly socket: ClientRequest["socket"];
  complete: boolean;
  private readonly stream: ServerHttp2Stream;

  constructor({ stream, headers, rawHeaders }: StreamOpening) {
    super({ autoDestroy: true });
    this.stream = stream;
    this.socket = stream.session?.socket ?? {};
    this.method = headers[":method"] ?? "";
    this.url = headers[":path"] ?? "";
    const host = headers[":authority"] ?? headers.host;
    const regular = Object.entries(headers).filter(([name]) => !name.startsWith(":"));
    const isChunked = !stream.endAfterHeaders && headers["content-length"] === undefined;
    this.headers = {
      ...Object.fromEntries(regular),
      ...(host !== undefined && { host }),
      ...(isChunked && { "transfer-encoding": "chunked" }),
    };
    this.rawHeaders = rewriteHeaders(rawHeaders, host, this.headers.cookie);
    this.complete = stream.endAfterHeaders;
    this.on("error", () => {});
    if (this.complete) {
      stream.resume();
      this.push(null);
      return;
    }
    stream.on("data", (chunk: Buffer) => {
      if (!this.push(chunk)) stream.pause();
    });
    stream.on("trailers", (_trailers, _flags, raw: string[] = []) => this.rawTrailers.push(...raw));
    stream.on("end", () => {
      // A stream that is reset ends, too.
      if (stream.aborted) return;
      this.complete = true;
      this.push(null);
    });
    stream.on("close", () => {
      if (!this.complete) this.destroy(Object.assign(new Error("aborted"), { code: "ECONNRESET" }));
    });
  }

  override _read(): void {
    this.stream.resume();
  }
}

/** Whether two readers could take a request for two, or one of them could not read it at all. */
export function isAmbiguousStream({ headers }: StreamOpening): boolean {
  const { ":method": method = "", ":path": path = "", ":authority": authority, host } = headers;
  if (!TOKEN.test(method) || method === "CONNECT" || !path.startsWith("/")) return true;
  // Without any it could not be said for whom it is.
  return (authority ?? host ?? "") === "" || (host !== undefined && authority !== undefined && host !== authority);
}

function rewriteHeaders(raw: readonly string[], host: string | undefined, cookie: string | undefined): string[] {
  const headers: string[] = [];
  if (host !== undefined) headers.push("host", host);
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? "";
    if (!name.startsWith(":") && name !== "host" && name !== "cookie") headers.push(name, raw[index + 1] ?? "");
  }
  if (cookie !== undefined) headers.push("cookie", cookie);
  return headers;
}
