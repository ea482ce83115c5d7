import type { DescMessage, DescMethod, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ContextValues,
  createContextValues,
  type HandlerContext,
  type UnaryResponse,
} from "@connectrpc/connect";
import { type CallContext, joinSignals } from "../context.js";
import { type MethodPolicy, methodPolicyOf } from "../contract.js";
import type { HeaderInit } from "../network/network.js";
import { SILO_HEADER } from "../server/interceptors.js";
import { createTraceparent } from "../trace.js";

/** The context of a local call. Its trace is made when somebody asks for it. */
export class LocalCall implements CallContext {
  readonly localMode: CallContext["localMode"];
  readonly caller: string;
  readonly viewer: CallContext["viewer"];
  readonly deadlineAtMs: number;
  /** Whether the deadline had passed already when the call was made. */
  readonly isOver: boolean;
  readonly signal: AbortSignal | undefined;
  private lazyTraceparent: string | undefined;

  constructor(
    policy: MethodPolicy,
    readonly siloName: string,
    private readonly parent: CallContext | undefined,
    { signal, timeoutMs }: { signal: AbortSignal | undefined; timeoutMs: number | undefined },
  ) {
    const nowMs = Date.now();
    const deadlineAtMs = nowMs + (timeoutMs ?? policy.timeoutMs);
    this.localMode = policy.service.localMode;
    this.caller = siloName;
    this.viewer = parent?.viewer;
    this.deadlineAtMs = parent === undefined ? deadlineAtMs : Math.min(deadlineAtMs, parent.deadlineAtMs);
    this.isOver = this.deadlineAtMs <= nowMs;
    this.signal = joinSignals(signal, parent?.signal);
  }

  get traceparent(): string {
    this.lazyTraceparent ??= this.parent?.traceparent ?? createTraceparent();
    return this.lazyTraceparent;
  }
}

/** What an implementation learns of a local call. Headers and signal are made when they are asked for. */
export class LocalHandlerContext implements HandlerContext {
  readonly protocolName = "local";
  readonly requestMethod = "POST";
  private lazyRequestHeader: Headers | undefined;
  private lazyResponseHeader: Headers | undefined;
  private lazyResponseTrailer: Headers | undefined;
  private lazyValues: ContextValues | undefined;
  private controller: AbortController | undefined;
  private timer: NodeJS.Timeout | undefined;
  private isFinished = false;

  constructor(
    readonly method: DescMethod,
    private readonly call: CallContext,
    private readonly headerInit: HeaderInit | undefined,
    contextValues: ContextValues | undefined,
  ) {
    this.lazyValues = contextValues;
  }

  get service() {
    return this.method.parent;
  }

  get url(): string {
    return `local://${this.call.siloName}${methodPolicyOf(this.method).path}`;
  }

  get requestHeader(): Headers {
    this.lazyRequestHeader ??= new Headers(this.headerInit);
    return this.lazyRequestHeader;
  }

  get responseHeader(): Headers {
    this.lazyResponseHeader ??= new Headers();
    return this.lazyResponseHeader;
  }

  get responseTrailer(): Headers {
    this.lazyResponseTrailer ??= new Headers();
    return this.lazyResponseTrailer;
  }

  get values(): ContextValues {
    this.lazyValues ??= createContextValues();
    return this.lazyValues;
  }

  get signal(): AbortSignal {
    this.controller ??= this.createController();
    return this.controller.signal;
  }

  timeoutMs(): number {
    return Math.max(0, this.call.deadlineAtMs - Date.now());
  }

  /** What the implementation set, without making headers that nobody asked for. */
  takeHeader(): Headers | undefined {
    return this.lazyResponseHeader;
  }

  takeTrailer(): Headers | undefined {
    return this.lazyResponseTrailer;
  }

  finish(): void {
    this.isFinished = true;
    if (this.controller === undefined) return;
    clearTimeout(this.timer);
    this.controller.abort();
  }

  private createController(): AbortController {
    const controller = new AbortController();
    const parent = this.call.signal;
    if (this.isFinished || parent?.aborted === true) {
      controller.abort(parent?.reason);
      return controller;
    }
    parent?.addEventListener("abort", () => controller.abort(parent.reason), { once: true, signal: controller.signal });
    this.timer = setTimeout(
      () => controller.abort(new ConnectError("the deadline has passed", Code.DeadlineExceeded)),
      this.timeoutMs(),
    );
    this.timer.unref();
    return controller;
  }
}

/** A response whose headers are made when they are asked for. */
export class LocalResponse<I extends DescMessage, O extends DescMessage> implements UnaryResponse<I, O> {
  readonly stream = false;
  private lazyHeader: Headers | undefined;
  private lazyTrailer: Headers | undefined;

  constructor(
    readonly method: DescMethodUnary<I, O>,
    private readonly siloName: string,
    private readonly context: LocalHandlerContext,
    readonly message: MessageShape<O>,
  ) {}

  get service() {
    return this.method.parent;
  }

  get header(): Headers {
    if (this.lazyHeader === undefined) {
      this.lazyHeader = this.context.takeHeader() ?? new Headers();
      this.lazyHeader.set(SILO_HEADER, this.siloName);
    }
    return this.lazyHeader;
  }

  get trailer(): Headers {
    this.lazyTrailer ??= this.context.takeTrailer() ?? new Headers();
    return this.lazyTrailer;
  }
}
