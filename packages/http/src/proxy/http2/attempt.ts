import type { ClientHttp2Stream, IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http2";
import { isUnsent, type OpenedStream, watchForEnd } from "@cellway/rpc";
import type { AttemptEnd } from "../attempt.js";
import type { ClientAnswer, ClientRequest } from "../client-exchange.js";
import { keepTrailers, receiveAnswerHeaders } from "../headers.js";
import type { AttemptFailure } from "../problems.js";
import { isWithoutHttp2, type Upstream } from "../upstream.js";
import type { KeptBody } from "./kept-body.js";

/** RFC 9113 §6.2. */
const FLAG_END_STREAM = 1;
/** RFC 9113 §7. */
const REFUSED_STREAM = 7;

/** One attempt to have a call answered over HTTP/2. */
export interface Http2AttemptOptions {
  readonly req: ClientRequest;
  readonly res: ClientAnswer;
  readonly upstream: Upstream;
  /** Lists of names, in lower case, and values in turn. */
  readonly headers: readonly (readonly string[])[];
  readonly body: KeptBody;
  readonly requestId: string;
  /** Added to the answer: names and values in turn. */
  readonly answerHeaders: readonly string[];
  /** Whether an answer of 421 is held back. */
  readonly isMisdirectionHeld: boolean;
}

/**
 * Sends a call, and its answer on to the client as it comes, each in its own time: a call may be answered while it is still
 * asked. Ended by `idleTimeoutMs` of silence in both directions. Never rejects.
 */
export function attemptHttp2(options: Http2AttemptOptions): Promise<AttemptEnd> {
  return new Promise((resolve) => {
    void new Http2Attempt(options, resolve).start();
  });
}

class Http2Attempt {
  private opened: OpenedStream | undefined;
  private status = 0;
  private isOver = false;
  private readonly silence: NodeJS.Timeout;
  private isWhole: () => boolean = () => false;
  private readonly onClose = () => this.end({ kind: "gone" });
  private readonly onDrain = () => {
    this.touch();
    this.opened?.stream.resume();
  };

  constructor(
    private readonly options: Http2AttemptOptions,
    private readonly resolve: (end: AttemptEnd) => void,
  ) {
    this.silence = setTimeout(() => this.expire(), options.upstream.limits.idleTimeoutMs);
  }

  async start(): Promise<void> {
    const { req, res, upstream } = this.options;
    if (res.destroyed) return this.end({ kind: "gone" });
    res.on("close", this.onClose);
    const path = req.url ?? "/";
    const headers = toRecord(this.options.headers);
    const slot = upstream.http2.pick();
    try {
      this.run(slot.openNow(path, headers) ?? (await slot.open(path, headers, () => this.isOver)));
    } catch (error) {
      this.end({ kind: "failed", failure: readOpenFailure(error) });
    }
  }

  private run(opened: OpenedStream): void {
    const { stream, connection } = opened;
    stream.on("error", (error) => this.fail(stream, error));
    if (this.isOver) return connection.cancel(stream);
    this.opened = opened;
    this.isWhole = watchForEnd(stream, () => this.fail(stream));
    stream.on("response", (headers, flags) => {
      connection.heard();
      this.begin(headers, (flags & FLAG_END_STREAM) !== 0);
    });
    stream.on("data", (chunk: Buffer) => {
      connection.heard();
      this.take(chunk);
    });
    stream.on("trailers", (headers: IncomingHttpHeaders) => {
      if (!this.isOver) this.options.res.addTrailers(keepTrailers(flatten(headers)));
    });
    stream.on("end", () => {
      if (!this.isWhole() || this.isOver) return;
      this.options.res.end();
      this.end({ kind: "answered", status: this.status });
    });
    stream.on("close", () => this.fail(stream));
    this.options.body.open(stream, () => this.touch());
  }

  private begin(headers: IncomingHttpHeaders, isEnd: boolean): void {
    if (this.isOver) return;
    this.touch();
    const { res, body, requestId, answerHeaders, isMisdirectionHeld } = this.options;
    this.status = Number(headers[":status"] ?? 0);
    const flat = flatten(headers);
    if (this.status === 421 && isMisdirectionHeld) return this.end({ kind: "held", headers: flat });
    body.forget();
    res.writeHead(this.status, "", receiveAnswerHeaders(flat, requestId, answerHeaders));
    // A head that is the whole answer stays one: clients tell it from a head before a body.
    if (isEnd) res.end();
    else res.flushHeaders();
  }

  private take(chunk: Buffer): void {
    if (this.isOver) return;
    this.touch();
    if (this.options.res.write(chunk)) return;
    this.opened?.stream.pause();
    this.options.res.once("drain", this.onDrain);
  }

  private touch(): void {
    this.silence.refresh();
  }

  private expire(): void {
    const { res } = this.options;
    // The client does not take what is here.
    if (this.opened?.stream.isPaused() === true) {
      res.destroy();
      this.end({ kind: "gone" });
      return;
    }
    // Once it has begun to answer, silence may be what both sides want.
    const isStuck = this.opened?.stream.writableNeedDrain === true;
    const against = this.status !== 0 ? "nobody" : isStuck ? "upstream" : undefined;
    this.breakOff({ code: "UPSTREAM_TIMEOUT", why: "other", ...(against && { against }) });
  }

  /** The stream is over, and the answer not whole. */
  private fail(stream: ClientHttp2Stream, error?: Error): void {
    if (this.isOver || this.isWhole()) return;
    if (this.options.res.destroyed) return this.end({ kind: "gone" });
    // An upstream may end any call of its own accord, and goes on to serve others: only lost connections count against it.
    const isReset = this.opened?.connection.isLost === false;
    const isNew = this.status === 0 && stream.rstCode === REFUSED_STREAM;
    const why = isNew || (error !== undefined && isUnsent(error)) ? "unsent" : "broken";
    this.breakOff({ code: "UPSTREAM_BROKEN", why, ...(isReset && { against: "nobody" }) });
  }

  private breakOff(failure: AttemptFailure): void {
    if (this.status === 0) return this.end({ kind: "failed", failure });
    this.end({ kind: "torn", status: this.status, failure });
    this.options.res.destroy();
  }

  private end(end: AttemptEnd): void {
    if (this.isOver) return;
    this.isOver = true;
    clearTimeout(this.silence);
    const { res, body } = this.options;
    res.off("close", this.onClose);
    res.off("drain", this.onDrain);
    body.close();
    if (this.opened !== undefined && !(this.isWhole() && this.opened.stream.writableFinished))
      this.opened.connection.cancel(this.opened.stream);
    this.resolve(end);
  }
}

/** No connection: what did not speak HTTP/2 answered, and not wrongly. */
function readOpenFailure(error: unknown): AttemptFailure {
  return error instanceof Error && isWithoutHttp2(error.cause)
    ? { code: "UPSTREAM_WITHOUT_HTTP2", why: "other", against: "nobody" }
    : { code: "UPSTREAM_UNREACHABLE", why: "unsent" };
}

function toRecord(lists: readonly (readonly string[])[]): Record<string, string> {
  // What gRPC asks of everybody on the way: that trailers come through.
  const record: Record<string, string> = { te: "trailers" };
  for (const list of lists)
    for (let index = 0; index + 1 < list.length; index += 2) {
      const name = list[index] === "host" ? ":authority" : (list[index] ?? "");
      const before = record[name];
      const value = list[index + 1] ?? "";
      record[name] = before === undefined ? value : `${before}, ${value}`;
    }
  return record;
}

function flatten(headers: OutgoingHttpHeaders): string[] {
  return Object.entries(headers).flatMap(([name, value]) =>
    name.startsWith(":") || value === undefined ? [] : [value].flat().flatMap((one) => [name, String(one)]),
  );
}
