import type { ClientAnswer, ClientRequest } from "./client-exchange.js";
import { keepTrailers, receiveAnswerHeaders } from "./headers.js";
import { type AttemptFailure, readFailure } from "./problems.js";
import type { OutgoingBody } from "./request-body.js";
import type { Upstream } from "./upstream.js";
import type { AnswerListener, UpstreamConnection } from "./upstream-connection.js";

/** How one attempt ended. */
export type AttemptEnd =
  /** The whole answer has been sent on. */
  | { readonly kind: "answered"; readonly status: number }
  /** The answer is a 421 that was to be held back: nothing of it was sent on. Its headers: names and values in turn. */
  | { readonly kind: "held"; readonly headers: readonly string[] }
  /** Nothing has been sent on. */
  | { readonly kind: "failed"; readonly failure: AttemptFailure }
  /** The answer broke off after it had been begun: the client sees its connection end. */
  | { readonly kind: "torn"; readonly status: number; readonly failure: AttemptFailure }
  /** The client went away. */
  | { readonly kind: "gone" };

/** One attempt to have a request answered. */
export interface AttemptOptions {
  readonly req: ClientRequest;
  readonly res: ClientAnswer;
  readonly upstream: Upstream;
  /** Request line and headers, with the empty line at their end. */
  readonly head: string;
  readonly body: OutgoingBody;
  readonly requestId: string;
  /** Added to the answer: names and values in turn. */
  readonly answerHeaders: readonly string[];
  /** Whether an answer of 421 is held back. */
  readonly isMisdirectionHeld: boolean;
}

/** Bytes of an answer that is held back which are read for the sake of the connection. */
const HELD_BODY_MAX_BYTES = 64 * 1_024;

/** Sends the request, and its answer on to the client as it comes; never rejects. */
export function attempt(options: AttemptOptions): Promise<AttemptEnd> {
  return new Promise((resolve) => {
    new Attempt(options, resolve).start();
  });
}

function isAscii(text: string): boolean {
  return Buffer.byteLength(text) === text.length;
}

class Attempt implements AnswerListener {
  private connection: UpstreamConnection | undefined;
  private status = 0;
  private isHeld = false;
  private heldBytes = 0;
  private hasBegun = false;
  private hasData = false;
  private stalled: NodeJS.Timeout | undefined;
  /** Undefined once the attempt has ended. */
  private running: { readonly options: AttemptOptions; readonly resolve: (end: AttemptEnd) => void } | undefined;
  private readonly onClose = () => {
    if (this.running === undefined) return;
    this.connection?.destroy();
    this.end({ kind: "gone" });
  };
  private readonly onDrain = () => {
    clearTimeout(this.stalled);
    this.stalled = undefined;
    this.connection?.resume();
  };

  constructor(options: AttemptOptions, resolve: (end: AttemptEnd) => void) {
    this.running = { options, resolve };
  }

  start(): void {
    if (this.running === undefined) return;
    const { req, res, upstream, head, body } = this.running.options;
    if (res.destroyed) return this.end({ kind: "gone" });
    res.on("close", this.onClose);
    this.connection = upstream.pool.send({ method: req.method ?? "GET", head, body }, this);
  }

  onHead(status: number, message: string, raw: readonly string[]): void {
    if (this.running === undefined) return;
    const { res, requestId, answerHeaders, isMisdirectionHeld } = this.running.options;
    this.status = status;
    if (status === 421 && isMisdirectionHeld) {
      this.isHeld = true;
      this.end({ kind: "held", headers: raw });
      return;
    }
    this.hasBegun = true;
    const headers = receiveAnswerHeaders(raw, requestId, answerHeaders);
    res.writeHead(status, message, headers);
    // What came in one piece goes out in one piece. The first byte of a body may be long in coming, though, and then the
    // client is told that an answer is on its way; unless its headers have bytes above 127, which node flushes as UTF-8.
    queueMicrotask(() => {
      if (this.running !== undefined && !this.hasData && headers.every(isAscii)) res.flushHeaders();
    });
  }

  onBody(chunk: Buffer, isLast: boolean): void {
    if (this.isHeld) {
      this.heldBytes += chunk.byteLength;
      if (this.heldBytes > HELD_BODY_MAX_BYTES) this.connection?.destroy();
      return;
    }
    if (this.running === undefined) return;
    this.hasData = true;
    const { res, upstream } = this.running.options;
    if (isLast) {
      res.end(chunk);
      return;
    }
    if (res.write(chunk) || this.stalled !== undefined) return;
    this.connection?.pause();
    this.stalled = setTimeout(() => res.destroy(), upstream.limits.idleTimeoutMs);
    res.once("drain", this.onDrain);
  }

  onEnd(trailers: readonly string[]): void {
    if (this.running === undefined) return;
    const { res } = this.running.options;
    if (trailers.length > 0) res.addTrailers(keepTrailers(trailers));
    if (!res.writableEnded) res.end();
    this.end({ kind: "answered", status: this.status });
  }

  onFailure(error: Error): void {
    if (this.running === undefined) return;
    const { res } = this.running.options;
    if (res.destroyed) return this.end({ kind: "gone" });
    const failure = readFailure(error);
    if (!this.hasBegun) return this.end({ kind: "failed", failure });
    this.end({ kind: "torn", status: this.status, failure });
    // An answer without its end must not look whole.
    res.destroy();
  }

  private end(end: AttemptEnd): void {
    if (this.running === undefined) return;
    const { options, resolve } = this.running;
    // V8 puts objects like this one where only a full collection comes by. All that hangs on them would stay as long.
    this.running = undefined;
    clearTimeout(this.stalled);
    options.res.off("close", this.onClose);
    options.res.off("drain", this.onDrain);
    resolve(end);
  }
}
