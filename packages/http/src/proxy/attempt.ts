import type { IncomingMessage, ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import type { Dispatcher } from "undici";
import { readTrailers, receiveAnswerHeaders } from "./headers.js";
import { type AttemptFailure, readFailure } from "./problems.js";
import type { Upstream } from "./upstream.js";

/** How one attempt ended. */
export type AttemptEnd =
  /** The whole answer has been sent on. */
  | { readonly kind: "answered"; readonly status: number }
  /** The answer is a status that was to be held back: nothing of it was sent on. */
  | { readonly kind: "held"; readonly headers: readonly Buffer[] }
  /** Nothing has been sent on. */
  | { readonly kind: "failed"; readonly failure: AttemptFailure }
  /** The answer broke off after it had been begun: the client sees its connection end. */
  | { readonly kind: "torn"; readonly status: number; readonly failure: AttemptFailure }
  /** The client went away. */
  | { readonly kind: "gone" };

/** One attempt to have a request answered. */
export interface AttemptOptions {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly upstream: Upstream;
  /** Names and values in turn. */
  readonly headers: string[];
  readonly body: Buffer | Readable | null;
  readonly requestId: string;
  /** Added to the answer: names and values in turn. */
  readonly answerHeaders: readonly string[];
  /** Whether an answer of this status is held back. */
  readonly isHeld: (status: number) => boolean;
}

/** Bytes of an answer that is held back which are read for the sake of the connection. */
const HELD_BODY_MAX_BYTES = 64 * 1_024;

class ClientGoneError extends Error {
  override readonly name = "ClientGoneError";
}

/** Sends the request, and its answer on to the client as it comes; never rejects. */
export function attempt(options: AttemptOptions): Promise<AttemptEnd> {
  return new Promise((resolve) => {
    const handler = new AnswerHandler(options, resolve);
    const { req, upstream, headers, body } = options;
    try {
      upstream.pool.dispatch({ path: req.url ?? "/", method: req.method ?? "GET", headers, body }, handler);
    } catch (error) {
      handler.fail(error);
    }
  });
}

function isAscii(text: string): boolean {
  return Buffer.byteLength(text) === text.length;
}

class AnswerHandler implements Dispatcher.DispatchHandler {
  private controller: Dispatcher.DispatchController | undefined;
  private status = 0;
  private isHeld = false;
  private heldBytes = 0;
  private hasBegun = false;
  private hasData = false;
  private isEnded = false;
  private stalled: NodeJS.Timeout | undefined;
  private readonly onClose = () => this.abort();
  private readonly onDrain = () => {
    clearTimeout(this.stalled);
    this.controller?.resume();
  };

  constructor(
    private readonly options: AttemptOptions,
    private readonly resolve: (end: AttemptEnd) => void,
  ) {
    options.res.on("close", this.onClose);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    if (this.isEnded || this.options.res.destroyed) controller.abort(new ClientGoneError());
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    message?: string,
  ): void {
    // 100 and 103 are news of the connection to the upstream; the answer is still to come.
    if (status < 200) return;
    const { res, requestId, answerHeaders } = this.options;
    const raw = controller.rawHeaders as Buffer[];
    this.status = status;
    if (this.options.isHeld(status)) {
      this.isHeld = true;
      this.end({ kind: "held", headers: raw });
      return;
    }
    this.hasBegun = true;
    res.on("drain", this.onDrain);
    const headers = [...receiveAnswerHeaders(raw, requestId), ...answerHeaders];
    try {
      res.writeHead(status, message ?? "", headers);
    } catch (error) {
      this.hasBegun = false;
      controller.abort(error as Error);
      return;
    }
    // What came in one piece goes out in one piece. The first byte of a body may be long in coming, though, and then the
    // client is told that an answer is on its way; unless its headers have bytes above 127, which node flushes as UTF-8.
    queueMicrotask(() => {
      if (!this.isEnded && !this.hasData && headers.every(isAscii)) res.flushHeaders();
    });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.isHeld) {
      this.heldBytes += chunk.byteLength;
      if (this.heldBytes > HELD_BODY_MAX_BYTES)
        controller.abort(new Error("An answer that is not wanted is too long."));
      return;
    }
    this.hasData = true;
    const { res, upstream } = this.options;
    if (res.write(chunk)) return;
    controller.pause();
    this.stalled = setTimeout(() => res.destroy(), upstream.limits.idleTimeoutMs);
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    if (this.isHeld) return;
    const { res } = this.options;
    const trailers = (controller.rawTrailers ?? []) as Buffer[];
    if (trailers.length > 0) res.addTrailers(readTrailers(trailers));
    res.end();
    this.end({ kind: "answered", status: this.status });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.fail(error);
  }

  /** Ends the attempt with what an error says. */
  fail(error: unknown): void {
    if (this.isEnded) return;
    const { res } = this.options;
    if (error instanceof ClientGoneError || res.destroyed) return this.end({ kind: "gone" });
    const failure = readFailure(error);
    if (!this.hasBegun) return this.end({ kind: "failed", failure });
    this.end({ kind: "torn", status: this.status, failure });
    // An answer without its end must not look whole.
    res.destroy();
  }

  private abort(): void {
    if (this.isEnded) return;
    this.controller?.abort(new ClientGoneError());
    this.end({ kind: "gone" });
  }

  private end(end: AttemptEnd): void {
    if (this.isEnded) return;
    this.isEnded = true;
    clearTimeout(this.stalled);
    this.options.res.off("close", this.onClose);
    this.options.res.off("drain", this.onDrain);
    this.resolve(end);
  }
}
