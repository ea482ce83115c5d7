import type {
  DescMessage,
  DescMethod,
  DescMethodStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { Validator } from "@bufbuild/protovalidate";
import { currentSiloContext } from "@cellway/silo";
import type { BoundCounter } from "@cellway/telemetry";
import {
  Code,
  ConnectError,
  type ContextValues,
  type HandlerContext,
  type StreamResponse,
  type Transport,
} from "@connectrpc/connect";
import { currentCall, withCallContext } from "../context.js";
import { type MethodPolicy, methodPolicyOf } from "../contract.js";
import { DeadlineWheel } from "../network/deadline-wheel.js";
import type { HeaderInit } from "../network/network.js";
import {
  assertAllowed,
  assertEnabled,
  assertRightCell,
  type ServerChainOptions,
  SILO_HEADER,
  toCallerError,
} from "../server/interceptors.js";
import { traceIdOf } from "../trace.js";
import { assertValid, createContractValidator } from "../validation.js";
import { copyMessage } from "./copy-message.js";
import { LocalCall, LocalHandlerContext, LocalResponse } from "./local-call.js";
import { createDeadlineError, createGoneError, raceEnd } from "./race-end.js";

/** Any implementation of a unary or server-streaming method. */
export type MethodImplementation = (request: object, context: HandlerContext) => unknown;

/** Finds the implementation of a method that runs in this silo. */
export type ImplementationLookup = (method: DescMethod) => MethodImplementation | undefined;

interface LocalMethod {
  readonly policy: MethodPolicy;
  readonly implementation: MethodImplementation;
  readonly calls: BoundCounter;
}

/** What all local calls of a silo share. */
interface DirectEnvironment {
  readonly options: ServerChainOptions & { lookup: ImplementationLookup };
  readonly validator: Validator;
  readonly wheel: DeadlineWheel;
  readonly methods: Map<DescMethod, LocalMethod>;
}

/** One local call. */
interface Invocation {
  readonly local: LocalMethod;
  readonly call: LocalCall;
  readonly context: LocalHandlerContext;
}

/**
 * The transport for services that are local to the calling code. It takes the steps of both chains (viewer, trace,
 * deadline; switch, caller, right cell, validation, call context, error mapping) and neither serializes nor opens a socket.
 * Request and response are copied, so that caller and implementation share no object, as over the network.
 */
export function createDirectTransport(options: ServerChainOptions & { lookup: ImplementationLookup }): DirectTransport {
  const environment: DirectEnvironment = {
    options,
    validator: createContractValidator(),
    wheel: new DeadlineWheel(),
    methods: new Map(),
  };
  return {
    // oxlint-disable-next-line max-params -- the interface of connect-es
    async unary(method, signal, timeoutMs, header, input, contextValues) {
      const invocation = begin(environment, method, { signal, timeoutMs, header, contextValues });
      const message = await runUnary(environment, method, invocation, input);
      return new LocalResponse(method, options.silo.name, invocation.context, message);
    },
    // oxlint-disable-next-line max-params -- the interface of connect-es
    async stream(method, signal, timeoutMs, header, input, contextValues) {
      const invocation = begin(environment, method, { signal, timeoutMs, header, contextValues });
      return runStream(environment, method, invocation, input);
    },
    async call(method, input) {
      return runUnary(environment, method, begin(environment, method, NO_BOUNDS), input);
    },
  };
}

/** The transport, with a shorter way for calls that give no options and want no headers: nearly all. */
export interface DirectTransport extends Transport {
  /** Makes a unary call. The same steps, and one promise less. */
  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    input: MessageInitShape<I>,
  ): Promise<MessageShape<O>>;
}

interface Bounds {
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number | undefined;
  readonly header: HeaderInit | undefined;
  readonly contextValues: ContextValues | undefined;
}

const NO_BOUNDS: Bounds = { signal: undefined, timeoutMs: undefined, header: undefined, contextValues: undefined };

function begin(environment: DirectEnvironment, method: DescMethod, bounds: Bounds): Invocation {
  const local = findLocal(environment, method);
  local.calls.add();
  const call = new LocalCall(local.policy, environment.options.silo.name, currentCall(), bounds);
  return { local, call, context: new LocalHandlerContext(method, call, bounds.header, bounds.contextValues) };
}

function findLocal({ methods, options }: DirectEnvironment, method: DescMethod): LocalMethod {
  const known = methods.get(method);
  if (known !== undefined) return known;
  const policy = methodPolicyOf(method);
  const implementation = options.lookup(method);
  if (implementation === undefined) {
    throw new ConnectError(`${policy.name} is not implemented by ${options.silo.name}`, Code.Unimplemented);
  }
  const calls = options.metrics.counter("cellway_rpc_local_calls_total", { method: policy.name });
  const local = { policy, implementation, calls };
  methods.set(method, local);
  return local;
}

/** The steps before the implementation, the same for unary calls and streams. */
function prepare<I extends DescMessage>(
  { options, validator }: DirectEnvironment,
  method: DescMethod & { input: I },
  { local, call }: Invocation,
  input: MessageInitShape<I>,
): MessageShape<I> {
  const request = copyMessage(method.input, input);
  assertEnabled(local.policy, options.methodSwitch);
  assertSideAllowed(local.policy);
  assertValid(validator, method, request);
  assertRightCell(local.policy, request, options.silo);
  assertNotOver(call, local.policy);
  return request;
}

/** In a monolith a call to the other side keeps the rule that it would meet as a call to another silo. */
function assertSideAllowed(policy: MethodPolicy): void {
  const from = currentSiloContext();
  if (from === undefined || from.localMode === policy.service.localMode) return;
  assertAllowed(policy, from.localMode, from.localMode === "CELL" ? "code of a cell" : "code of control");
}

async function runUnary<I extends DescMessage, O extends DescMessage>(
  environment: DirectEnvironment,
  method: DescMethodUnary<I, O>,
  invocation: Invocation,
  input: MessageInitShape<I>,
): Promise<MessageShape<O>> {
  const { local, call, context } = invocation;
  try {
    const request = prepare(environment, method, invocation, input);
    const result = withCallContext(call, () => local.implementation(request, context));
    const output = isPromise(result) ? await raceEnd(environment.wheel, call, local.policy, result) : result;
    return copyMessage(method.output, output as MessageInitShape<O>);
  } catch (error) {
    throw toError(environment, invocation, error);
  } finally {
    context.finish();
  }
}

async function runStream<I extends DescMessage, O extends DescMessage>(
  environment: DirectEnvironment,
  method: DescMethodStreaming<I, O>,
  invocation: Invocation,
  input: AsyncIterable<MessageInitShape<I>>,
): Promise<StreamResponse<I, O>> {
  const { local, call, context } = invocation;
  if (method.methodKind !== "server_streaming") {
    throw new ConnectError(`${local.policy.name} streams requests, which services of silos do not`, Code.Unimplemented);
  }
  try {
    const request = prepare(environment, method, invocation, await readOne(input));
    const outputs = withCallContext(call, () => local.implementation(request, context)) as AsyncIterable<
      MessageInitShape<O>
    >;
    return {
      stream: true,
      service: method.parent,
      method,
      header: new Headers({ [SILO_HEADER]: environment.options.silo.name }),
      trailer: new Headers(),
      message: streamOutputs(environment, method.output, invocation, outputs),
    };
  } catch (error) {
    context.finish();
    throw toError(environment, invocation, error);
  }
}

async function* streamOutputs<O extends DescMessage>(
  environment: DirectEnvironment,
  output: O,
  invocation: Invocation,
  outputs: AsyncIterable<MessageInitShape<O>>,
): AsyncGenerator<MessageShape<O>> {
  const { local, call, context } = invocation;
  const iterator = withCallContext(call, () => outputs[Symbol.asyncIterator]());
  try {
    for (;;) {
      const next = withCallContext(call, () => iterator.next());
      const item = await raceEnd(environment.wheel, call, local.policy, next);
      if (item.done === true) return;
      yield copyMessage(output, item.value);
    }
  } catch (error) {
    throw toError(environment, invocation, error);
  } finally {
    context.finish();
    // Not awaited: a generator that hangs would hold its reader for ever.
    void withCallContext(call, () => iterator.return?.())?.catch(() => undefined);
  }
}

function toError({ options }: DirectEnvironment, { local, call }: Invocation, error: unknown): ConnectError {
  return toCallerError(error, local.policy, options, () => traceIdOf(call.traceparent));
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === "object" && value !== null && "then" in value;
}

async function readOne<T>(input: AsyncIterable<T>): Promise<T> {
  for await (const message of input) return message;
  throw new ConnectError("a server stream needs one request", Code.InvalidArgument);
}

function assertNotOver(call: LocalCall, policy: MethodPolicy): void {
  if (call.signal?.aborted === true) throw createGoneError(call.signal);
  if (call.isOver) throw createDeadlineError(policy);
}
