import type { ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import type { ConnectError } from "@connectrpc/connect";
import type { DeadlineWheel, Waiting } from "./deadline-wheel.js";
import type { ConnectionPool, OpenedStream } from "./http2-pool.js";
import { listenForAbort, toStreamError, watchForEnd } from "./http2-stream.js";
import type { UnaryPost, UnaryReply } from "./network.js";
import { createDeadlineError, createTooLargeError, toAbortError } from "./network-errors.js";

/** What framing may add to a message of the largest size. */
export const FRAMING_MAX_BYTES = 4_096;

/** What a post needs besides the request. */
export interface PostOptions {
  readonly pool: ConnectionPool;
  readonly wheel: DeadlineWheel;
  readonly messageMaxBytes: number;
}

/** Sends the body and waits for the whole response. */
export function postUnary(request: UnaryPost, options: PostOptions): Promise<UnaryReply> {
  return new Promise((resolve, reject) => new PendingPost(request, options, resolve, reject).start());
}

/** One request, from before it has a stream to its answer. Settles once. */
class PendingPost implements Waiting {
  private readonly slot: Set<Waiting>;
  private readonly chunks: Buffer[] = [];
  private opened: OpenedStream | undefined;
  private header: IncomingHttpHeaders = {};
  private size = 0;
  private isSettled = false;

  constructor(
    private readonly request: UnaryPost,
    private readonly options: PostOptions,
    private readonly resolve: (reply: UnaryReply) => void,
    private readonly reject: (error: ConnectError) => void,
  ) {
    this.slot = options.wheel.add(request.deadlineAtMs, this);
    listenForAbort(request.signal, this.onAbort);
  }

  start(): void {
    const { signal, deadlineAtMs, path, header } = this.request;
    if (signal?.aborted === true) this.onAbort();
    else if (deadlineAtMs <= Date.now()) this.onDeadline();
    if (this.isSettled) return;
    const connections = this.options.pool.pick();
    const opened = connections.openNow(path, header);
    if (opened !== undefined) {
      this.read(opened);
      return;
    }
    connections
      .open(path, header, () => this.isSettled)
      .then(
        (later) => {
          this.read(later);
          if (this.isSettled) later.connection.cancel(later.stream);
        },
        (error: unknown) => this.fail(() => error as ConnectError),
      );
  }

  onDeadline(): void {
    this.fail(() => createDeadlineError(this.request.origin));
  }

  private readonly onAbort = (): void => {
    this.fail(() => toAbortError(this.request.signal as AbortSignal));
  };

  private read(opened: OpenedStream): void {
    const { stream, connection } = opened;
    this.opened = opened;
    const onEnd = (error?: Error) =>
      this.fail(() => toStreamError(stream, error, this.request.origin, this.hasAnswered));
    const isWhole = watchForEnd(stream, onEnd);
    stream.on("response", (header) => {
      this.header = header;
      connection.heard();
    });
    stream.on("data", (chunk: Buffer) => {
      connection.heard();
      this.collect(chunk);
    });
    stream.on("end", () => {
      if (isWhole() && this.hasAnswered) this.succeed(opened.stream);
    });
    stream.on("error", onEnd);
    stream.on("close", onEnd);
    stream.end(this.request.body);
  }

  private get hasAnswered(): boolean {
    return this.header[":status"] !== undefined;
  }

  private collect(chunk: Buffer): void {
    if (this.isSettled) return;
    this.size += chunk.byteLength;
    this.chunks.push(chunk);
    const { messageMaxBytes } = this.options;
    if (this.size > messageMaxBytes + FRAMING_MAX_BYTES)
      this.fail(() => createTooLargeError("response", messageMaxBytes));
  }

  private succeed(stream: ClientHttp2Stream): void {
    if (this.isSettled) return;
    this.settle();
    this.resolve({ status: Number(this.header[":status"]), header: this.header, body: joinChunks(this.chunks) });
    // The peer answered before it had read the request, and may never read the rest.
    if (!stream.writableFinished) this.opened?.connection.cancel(stream);
  }

  private fail(toError: () => ConnectError): void {
    if (this.isSettled) return;
    this.settle();
    this.chunks.length = 0;
    this.reject(toError());
    if (this.opened !== undefined) this.opened.connection.cancel(this.opened.stream);
  }

  private settle(): void {
    this.isSettled = true;
    this.request.signal?.removeEventListener("abort", this.onAbort);
    this.slot.delete(this);
  }
}

function joinChunks(chunks: readonly Buffer[]): Uint8Array {
  const whole = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
  return new Uint8Array(whole.buffer, whole.byteOffset, whole.byteLength);
}
