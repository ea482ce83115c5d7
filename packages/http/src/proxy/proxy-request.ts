import type { Problem } from "../problem.js";
import type { AttemptEnd } from "./attempt.js";
import type { ClientAnswer, ClientRequest } from "./client-exchange.js";
import { type ForwardingRules, findHeader, isLoop, pairUp, receiveHeaders } from "./headers.js";
import { type AttemptFailure, createProxyProblem, type ProxyProblemCode } from "./problems.js";
import { refuse } from "./refuse.js";
import { createSender, type Sender } from "./senders.js";
import type { Upstream } from "./upstream.js";

/** Where a request goes. */
export interface ProxyTarget {
  readonly upstream: Upstream;
  /** Headers that it gets besides the client's: names in lower case and values in turn. */
  readonly headers: readonly string[];
}

/** What an upstream says that answers 421: the request is not for it. */
export interface Misdirection {
  /** A header of its answer. */
  readonly header: (name: string) => string | undefined;
  /** Whether the request can be sent again. */
  readonly isRepeatable: boolean;
}

/** How a request is sent on. */
export interface ProxyOptions extends ForwardingRules {
  readonly target: ProxyTarget;
  /** Sent in place of the client's Host. Default: the client's own. */
  readonly host?: string;
  /** Added to whatever is answered: names and values in turn. */
  readonly answerHeaders?: readonly string[];
  /**
   * Asked, once, when the upstream answers 421: where to send the request instead, or what to answer. Default: the 421 is
   * sent on.
   */
  readonly onMisdirected?: (misdirection: Misdirection) => Promise<ProxyTarget | Problem>;
}

/** What became of a request, for logs and metrics. */
export interface ProxyResult {
  /** What the client was answered; 499 when it went away first. */
  readonly status: number;
  /** A code of {@link ProxyProblemCode}, or of a problem of `onMisdirected`; undefined when the upstream's answer was sent. */
  readonly code: string | undefined;
  /** The upstream that was asked last. */
  readonly upstream: Upstream;
  /** 0 or 1. */
  readonly repeats: number;
  readonly requestId: string;
}

/** May be sent twice with the effect of once (RFC 9110 §9.2.2). */
const IDEMPOTENT = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"]);
const CLIENT_GONE = 499;

/**
 * Sends a request on, and its answer back, as they come. Where there is no answer the client gets a problem. Sent again, once,
 * is only what can be (no body, or a small one) and may be: what never reached the upstream, what the upstream says is not for
 * it, and, when a connection broke before the first byte, idempotent methods. Never rejects.
 */
export function proxyRequest(req: ClientRequest, res: ClientAnswer, options: ProxyOptions): Promise<ProxyResult> {
  return new Exchange(req, res, options).run();
}

class Exchange {
  private repeats = 0;
  private isMisdirected = false;
  private readonly requestId: string;
  /** Headers as they go on, but for those of the target. */
  private readonly headers: readonly string[];

  constructor(
    private readonly req: ClientRequest,
    private readonly res: ClientAnswer,
    private readonly options: ProxyOptions,
  ) {
    const { requestId, headers } = receiveHeaders(req, options);
    this.requestId = requestId;
    this.headers = withHost(headers, options.host);
  }

  async run(): Promise<ProxyResult> {
    const { req, options } = this;
    let { target } = options;
    if (isLoop(req, options)) return this.fail("REQUEST_LOOP", target.upstream);
    if (NOT_IN_TARGET.test(req.url ?? "/")) return this.fail("REQUEST_INVALID", target.upstream);
    let sender: Sender;
    try {
      sender = await this.createSender(target.upstream);
    } catch {
      return this.close(CLIENT_GONE, undefined, target.upstream);
    }
    for (;;) {
      const end = await this.tryOnce(target, sender);
      const { upstream } = target;
      if (typeof end === "string") return this.fail(end, upstream);
      if (end.kind === "answered") return this.close(end.status, undefined, upstream);
      if (end.kind === "gone") return this.close(CLIENT_GONE, undefined, upstream);
      if (end.kind === "torn") return this.close(end.status, end.failure.code, upstream);
      if (end.kind === "failed") {
        if (!this.mayRepeat(end.failure.why, sender)) return this.fail(this.codeOf(end.failure), upstream);
      } else {
        const next = await this.redirect(end.headers, sender);
        if ("status" in next) return this.answer(next, upstream);
        target = next;
      }
      this.repeats += 1;
    }
  }

  private createSender(upstream: Upstream): Promise<Sender> {
    const { req, res, headers, requestId, options } = this;
    const { answerHeaders = [] } = options;
    return createSender({ req, res, headers, requestId, answerHeaders }, upstream);
  }

  /** One attempt, or why there was none. Its verdict is given to the circuit. */
  private async tryOnce({ upstream, headers }: ProxyTarget, sender: Sender): Promise<AttemptEnd | ProxyProblemCode> {
    const admission = upstream.admit();
    if (typeof admission === "string") return admission;
    const isMisdirectionHeld = this.options.onMisdirected !== undefined && !this.isMisdirected;
    const end = await sender.send({ upstream, headers }, isMisdirectionHeld);
    admission.giveBack();
    admission.judge(this.verdictOf(end));
    return end;
  }

  /** What an end says of the upstream. What a slow or wrong client caused says nothing: a stranger must not open a circuit. */
  private verdictOf(end: AttemptEnd): "success" | "failure" | "neutral" {
    if (end.kind === "answered" || end.kind === "held") return "success";
    return end.kind === "failed" || end.kind === "torn" ? this.verdictOn(end.failure) : "neutral";
  }

  private verdictOn({
    against = this.isRequestWhole() ? "upstream" : "nobody",
  }: AttemptFailure): "failure" | "neutral" {
    return against === "upstream" ? "failure" : "neutral";
  }

  private codeOf(failure: AttemptFailure): ProxyProblemCode {
    const isLate = failure.code === "UPSTREAM_TIMEOUT" && this.verdictOn(failure) === "neutral";
    return isLate ? "REQUEST_TIMEOUT" : failure.code;
  }

  private isRequestWhole(): boolean {
    return this.req.complete;
  }

  private mayRepeat(why: "unsent" | "broken" | "other", { isRepeatable }: Sender): boolean {
    if (this.repeats > 0 || why === "other" || !isRepeatable) return false;
    return why === "unsent" || IDEMPOTENT.has(this.req.method ?? "");
  }

  private async redirect(raw: readonly string[], { isRepeatable }: Sender): Promise<ProxyTarget | Problem> {
    this.isMisdirected = true;
    const ask = this.options.onMisdirected;
    if (ask === undefined) throw new Error("An answer was held back that nobody asked for.");
    return ask({ header: (name) => findHeader(raw, name), isRepeatable });
  }

  private fail(code: ProxyProblemCode, upstream: Upstream): ProxyResult {
    return this.answer(createProxyProblem(code, upstream), upstream);
  }

  private answer(problem: Problem, upstream: Upstream): ProxyResult {
    const { req, res, options } = this;
    if (res.destroyed) return this.close(CLIENT_GONE, problem.code, upstream);
    const own = Object.fromEntries(pairUp(options.answerHeaders ?? []));
    // What is left of a request that was not read would be taken for the next one, or be waited for.
    const ending = req.complete ? {} : { connection: "close" };
    const headers = { ...own, ...problem.headers, ...ending, "x-request-id": this.requestId };
    refuse(req, res, { ...problem, headers });
    return this.close(problem.status, problem.code, upstream);
  }

  private close(status: number, code: string | undefined, upstream: Upstream): ProxyResult {
    return { status, code, upstream, repeats: this.repeats, requestId: this.requestId };
  }
}

/** What no target of a request has in it: blanks and what ends a line. */
const NOT_IN_TARGET = /[^\x21-\x7e\x80-\xff]/;

function withHost(headers: string[], host: string | undefined): string[] {
  if (host === undefined) return headers;
  const others = pairUp(headers).filter(([name]) => name !== "host");
  return ["host", host, ...others.flat()];
}
