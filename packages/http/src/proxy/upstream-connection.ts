import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { AnswerParser, type AnswerSink, BadAnswerError } from "./answer-parser.js";
import type { ProxyLimits } from "./limits.js";
import type { OutgoingBody } from "./request-body.js";

/** Where connections go. */
export interface Destination {
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
}

/** A request as it is sent. */
export interface OutgoingRequest {
  readonly method: string;
  /** Request line and headers, with the empty line at their end. */
  readonly head: string;
  readonly body: OutgoingBody;
}

/** Told of an answer. Of the last two one is called, once, and nothing after it. */
export interface AnswerListener extends AnswerSink {
  /** The answer is whole. @param trailers names and values in turn. */
  onEnd(trailers: readonly string[]): void;
  /** There will be no answer, or none of it any more. */
  onFailure(error: Error): void;
}

/** Where a connection tells that it is free again, or gone. */
export interface ConnectionOwner {
  onFree(connection: UpstreamConnection): void;
  onGone(connection: UpstreamConnection): void;
}

/** How long an idle connection is kept when the other side does not say how long it does, and the margin when it does. */
const IDLE_MS = 4_000;
const IDLE_MARGIN_MS = 1_000;
const IDLE_MAX_MS = 600_000;

/** An error with a code that `readFailure` knows. */
export class UpstreamError extends Error {
  override readonly name = "UpstreamError";

  constructor(
    readonly code:
      | "UPSTREAM_CONNECT"
      | "UPSTREAM_CONNECT_TIMEOUT"
      | "UPSTREAM_TIMEOUT"
      | "UPSTREAM_STUCK"
      | "UPSTREAM_BROKEN",
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** One connection to an upstream: a request at a time, and the next one after its answer. Times are `performance.now()`. */
export class UpstreamConnection {
  /** When it is given up unless something happens before. */
  deadlineAt: number;
  private sentAt = 0;
  private readonly socket: Socket;
  private readonly parser: AnswerParser;
  private listener: AnswerListener | undefined;
  private isConnected = false;
  private hasHead = false;
  private isSent = false;
  private cause: Error | undefined;
  /** Stops the sending of a body that streams. */
  private stopSending: (() => void) | undefined;

  constructor(
    { host, port, isTls }: Destination,
    private readonly limits: ProxyLimits,
    private readonly owner: ConnectionOwner,
  ) {
    const event = isTls ? "secureConnect" : "connect";
    this.socket = isTls
      ? connectTls({ host, port, servername: host, ALPNProtocols: ["http/1.1"] })
      : connectTcp({ host, port });
    this.socket.setNoDelay(true);
    this.parser = new AnswerParser(limits.responseHeadersMaxBytes);
    this.deadlineAt = performance.now() + limits.connectTimeoutMs;
    this.socket.once(event, () => {
      this.isConnected = true;
      this.touch();
    });
    this.socket.on("data", (chunk) => this.read(chunk));
    this.socket.on("end", () => this.finish());
    this.socket.on("error", (error) => {
      this.cause = error;
    });
    this.socket.on("close", () => {
      this.fail(this.isConnected ? "UPSTREAM_BROKEN" : "UPSTREAM_CONNECT", "The connection to an upstream has ended.");
      owner.onGone(this);
    });
  }

  /** Sends a request over a connection that is free. */
  send({ method, head, body }: OutgoingRequest, listener: AnswerListener): void {
    const { socket } = this;
    this.listener = listener;
    this.sentAt = performance.now();
    this.hasHead = false;
    this.parser.begin(
      {
        onHead: (status, message, headers) => {
          this.hasHead = true;
          listener.onHead(status, message, headers);
        },
        onBody: (chunk, isLast) => listener.onBody(chunk, isLast),
      },
      method === "HEAD",
    );
    if (this.isConnected) this.touch();
    this.isSent = body === null || Buffer.isBuffer(body);
    if (body === null) {
      socket.write(head, "latin1");
      return;
    }
    socket.cork();
    socket.write(head, "latin1");
    if (Buffer.isBuffer(body)) socket.write(body);
    else
      this.stopSending = body(socket, {
        onProgress: () => this.touch(),
        onEnd: () => {
          this.isSent = true;
          this.touch();
        },
      });
    socket.uncork();
  }

  /** Reads no more until {@link resume}: who takes the answer is slower. */
  pause(): void {
    this.socket.pause();
    this.deadlineAt = Number.POSITIVE_INFINITY;
  }

  resume(): void {
    this.touch();
    this.socket.resume();
  }

  /** Whether a request can be sent over it now, as far as is known. */
  get isUsable(): boolean {
    return this.socket.writable && performance.now() < this.deadlineAt;
  }

  /** Ends the connection; the listener is told that it broke. */
  hangUp(): void {
    this.socket.destroy();
  }

  /** Ends the connection; the listener is told nothing. */
  destroy(): void {
    this.release();
    this.socket.destroy();
  }

  /** Gives an answer that is waited for more time. An idle connection gets none: the other side closes it by its own clock. */
  allow(moreMs: number): void {
    if (this.listener !== undefined) this.deadlineAt += moreMs;
  }

  /** It took too long. */
  expire(): void {
    if (!this.isConnected) this.fail("UPSTREAM_CONNECT_TIMEOUT", "An upstream did not accept a connection in time.");
    else if (this.socket.writableNeedDrain) this.fail("UPSTREAM_STUCK", "An upstream did not read a request in time.");
    else this.fail("UPSTREAM_TIMEOUT", "An upstream did not answer in time.");
    this.destroy();
  }

  private touch(): void {
    if (!this.isConnected || this.listener === undefined) return;
    this.deadlineAt = performance.now() + (this.hasHead ? this.limits.idleTimeoutMs : this.limits.firstByteTimeoutMs);
  }

  private read(chunk: Buffer): void {
    const { listener } = this;
    // Nothing was asked.
    if (listener === undefined) return void this.socket.destroy();
    let trailers: readonly string[] | undefined;
    try {
      trailers = this.parser.read(chunk);
    } catch (error) {
      const failure =
        error instanceof BadAnswerError ? error : new BadAnswerError("An answer cannot be read.", { cause: error });
      this.release()?.onFailure(failure);
      this.socket.destroy();
      return;
    }
    // The listener may have ended the connection.
    if (this.listener !== listener) return;
    if (trailers !== undefined) this.end(trailers);
    else if (this.hasHead && this.deadlineAt !== Number.POSITIVE_INFINITY) this.touch();
  }

  private finish(): void {
    if (this.listener !== undefined && this.parser.finish()) this.end([]);
  }

  private end(trailers: readonly string[]): void {
    const { keepAliveS } = this.parser;
    const idleMs = keepAliveS === undefined ? IDLE_MS : keepAliveS * 1_000 - IDLE_MARGIN_MS;
    // From when the request went out: the answer may have lain here for long, and the other side counts from its end.
    const freeUntil = this.sentAt + Math.min(idleMs, IDLE_MAX_MS);
    const isInTime = performance.now() < freeUntil;
    const isReusable = isInTime && this.parser.isReusable && this.isSent && !this.socket.destroyed;
    const listener = this.release();
    if (isReusable) {
      this.deadlineAt = freeUntil;
      this.socket.resume();
      this.owner.onFree(this);
    } else {
      this.socket.destroy();
    }
    listener?.onEnd(trailers);
  }

  private fail(code: UpstreamError["code"], message: string): void {
    this.release()?.onFailure(new UpstreamError(code, message, { cause: this.cause }));
  }

  private release(): AnswerListener | undefined {
    const { listener } = this;
    this.listener = undefined;
    // A connection that is idle must not hold on to the request before: it would be carried from one collection to the next.
    this.parser.end();
    this.stopSending?.();
    this.stopSending = undefined;
    return listener;
  }
}
