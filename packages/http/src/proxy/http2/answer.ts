import type { OutgoingHttpHeaders } from "node:http";
import type { ServerHttp2Stream, OutgoingHttpHeaders as StreamHeaders } from "node:http2";
import { discardRest } from "@cellway/rpc";
import type { ClientAnswer, ClientRequest } from "../client-exchange.js";

/** RFC 9113 §7. */
const INTERNAL_ERROR = 2;
/** What HTTP/2 says otherwise, or not at all (RFC 9113 §8.2.2). */
const NOT_IN_HTTP2 = new Set(["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"]);
const ROOM_BYTES = 64 * 1_024;

/** The answer on a stream of HTTP/2. Its head goes out with the first piece of the body, or with the end where there is none. */
export class Http2Answer implements ClientAnswer {
  private readonly headers: StreamHeaders = {};
  private trailers: StreamHeaders = {};
  /** Whether its head has gone out. */
  isBegun = false;
  private isEnded = false;
  private isBroken = false;

  constructor(
    private readonly stream: ServerHttp2Stream,
    private readonly req: ClientRequest,
  ) {
    stream.on("error", () => {});
    stream.on("wantTrailers", () => {
      // What was broken off must not get an end.
      if (this.isBroken) stream.close(INTERNAL_ERROR);
      else stream.sendTrailers(this.trailers);
    });
  }

  get destroyed(): boolean {
    return this.stream.destroyed || this.stream.closed;
  }

  get writableEnded(): boolean {
    return this.isEnded;
  }

  setHeader(name: string, value: string): void {
    this.headers[name.toLowerCase()] = value;
  }

  writeHead(status: number, headers?: OutgoingHttpHeaders): this;
  writeHead(status: number, message: string, headers: string[]): this;
  writeHead(status: number, messageOrHeaders?: string | OutgoingHttpHeaders, flat?: string[]): this {
    this.headers[":status"] = status;
    // In place of what was set before.
    if (flat !== undefined) Object.assign(this.headers, joinFlat(flat));
    else if (typeof messageOrHeaders === "object")
      for (const [name, value] of Object.entries(messageOrHeaders)) {
        if (value !== undefined && !NOT_IN_HTTP2.has(name.toLowerCase())) this.headers[name.toLowerCase()] = value;
      }
    return this;
  }

  flushHeaders(): void {
    this.begin(false);
  }

  write(chunk: Buffer): boolean {
    if (!this.begin(false)) return true;
    return this.stream.write(chunk) || this.stream.writableLength < ROOM_BYTES;
  }

  end(chunk?: Buffer): void {
    if (this.isEnded) return;
    this.isEnded = true;
    const hasBody = chunk !== undefined || Object.keys(this.trailers).length > 0;
    if (this.begin(!hasBody)) this.stream.end(chunk);
    if (!this.req.complete && !this.destroyed) discardRest(this.stream, this.req);
  }

  addTrailers(trailers: ReadonlyArray<[string, string]>): void {
    this.trailers = joinFlat(trailers.flat());
  }

  destroy(): void {
    this.isBroken = true;
    this.stream.close(INTERNAL_ERROR);
  }

  on(event: "close", listener: () => void): void {
    this.stream.on(event, listener);
  }

  once(event: "close" | "drain", listener: () => void): void {
    this.stream.once(event, listener);
  }

  off(event: "close" | "drain", listener: () => void): void {
    this.stream.off(event, listener);
  }

  /** Sends the head, once. @returns whether a body can follow. */
  private begin(isEnd: boolean): boolean {
    if (this.destroyed) return false;
    if (!this.isBegun) {
      this.isBegun = true;
      try {
        this.stream.respond(this.headers, { endStream: isEnd, waitForTrailers: !isEnd });
      } catch {
        // What HTTP/1.1 allows and node's HTTP/2 does not, such as a status of 999.
        this.destroy();
        return false;
      }
    }
    // What answers HEAD, say, has ended with its head.
    return !this.stream.writableEnded;
  }
}

/** Names and values in turn, as HTTP/2 sends them: each name once. */
function joinFlat(flat: readonly string[]): StreamHeaders {
  const headers: StreamHeaders = {};
  for (let index = 0; index + 1 < flat.length; index += 2) {
    const name = (flat[index] ?? "").toLowerCase();
    const value = flat[index + 1] ?? "";
    if (NOT_IN_HTTP2.has(name)) continue;
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else if (name === "set-cookie") headers[name] = [before].flat().map(String).concat(value);
    else headers[name] = [before, value].flat().join(", ");
  }
  return headers;
}
