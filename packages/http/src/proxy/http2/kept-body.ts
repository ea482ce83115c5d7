import type { ClientHttp2Stream } from "node:http2";
import type { ClientRequest } from "../client-exchange.js";

/** A body that is sent as it comes, whose beginning is kept so that it can be sent again. */
export class KeptBody {
  private kept: Buffer[] | undefined = [];
  private keptBytes = 0;
  private isWhole = false;
  private sink: { readonly stream: ClientHttp2Stream; readonly onProgress: () => void } | undefined;

  constructor(
    private readonly req: ClientRequest,
    /** Bytes that are kept; a longer body cannot be sent again. */
    private readonly maxBytes: number,
  ) {
    req.on("data", (chunk: Buffer) => this.take(chunk));
    req.on("end", () => {
      this.isWhole = true;
      this.sink?.stream.end();
    });
    req.pause();
  }

  /** Whether all that was sent is here. */
  get isRepeatable(): boolean {
    return this.kept !== undefined;
  }

  /** Sends it from its beginning. */
  open(stream: ClientHttp2Stream, onProgress: () => void): void {
    this.sink = { stream, onProgress };
    stream.on("drain", () => {
      if (this.sink?.stream !== stream) return;
      onProgress();
      this.req.resume();
    });
    for (const chunk of this.kept ?? []) stream.write(chunk);
    if (this.isWhole) stream.end();
    else this.req.resume();
  }

  /** Sends no more of it for now. */
  close(): void {
    this.sink = undefined;
    this.req.pause();
  }

  /** It will not be sent again. */
  forget(): void {
    this.kept = undefined;
  }

  private take(chunk: Buffer): void {
    this.keptBytes += chunk.byteLength;
    if (this.keptBytes > this.maxBytes) this.kept = undefined;
    this.kept?.push(chunk);
    if (this.sink === undefined) return;
    this.sink.onProgress();
    if (!this.sink.stream.write(chunk)) this.req.pause();
  }
}
