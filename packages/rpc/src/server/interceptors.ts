import type { DescMethod } from "@bufbuild/protobuf";
import type { Validator } from "@bufbuild/protovalidate";
import type { Silo } from "@cellway/silo";
import type { Logger, Metrics } from "@cellway/telemetry";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { type CallContext, withCallContext } from "../context.js";
import { type CallerKind, type MethodPolicy, methodPolicyOf } from "../contract.js";
import { createRpcError, reasonOf } from "../errors.js";
import { type CellResolver, createUnsetKeyError } from "../resolver.js";
import type { MethodSwitch } from "../settings.js";
import { adoptTraceparent, TRACEPARENT_HEADER, traceIdOf } from "../trace.js";
import { assertValid, createContractValidator } from "../validation.js";
import { kCaller, kEntered } from "./endpoint.js";

/** The response header that says which silo served a call. */
export const SILO_HEADER = "x-cellway-silo";

/** What the server chain needs. */
export interface ServerChainOptions {
  readonly silo: Silo;
  readonly resolver: CellResolver | undefined;
  readonly methodSwitch: MethodSwitch;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Turns an error of a library (a lost database connection) into one for the caller; undefined to leave it. */
  readonly translateError: (error: unknown) => ConnectError | undefined;
}

/** The server chain for calls from the network, outermost first: observe → rights → validate → call context. */
export function createServerInterceptors(options: ServerChainOptions): Interceptor[] {
  return [createObserver(options), createRightsCheck(options), createValidation(), createContextEntry(options)];
}

/** Turns whatever an implementation threw into what its caller may see, and logs what the caller may not. */
export function toCallerError(
  error: unknown,
  policy: MethodPolicy,
  options: ServerChainOptions,
  readTraceId: () => string,
): ConnectError {
  const known = error instanceof ConnectError ? error : options.translateError(error);
  if (known === undefined || known.code === Code.Internal || known.code === Code.Unknown) {
    options.logger.error({ method: policy.name, trace_id: readTraceId(), err: error }, "a call failed on a bug");
    return new ConnectError("internal error", Code.Internal);
  }
  if (known.code === Code.Unavailable) {
    options.logger.warn(
      { method: policy.name, trace_id: readTraceId(), err: known.cause ?? known },
      "a call failed for now",
    );
  }
  return known;
}

function createObserver(options: ServerChainOptions): Interceptor {
  const { logger, metrics } = options;
  return (next) => async (req) => {
    req.contextValues.set(kEntered, true);
    const policy = policyOf(req.method);
    const startedAt = performance.now();
    const caller = req.contextValues.get(kCaller)?.silo ?? "tool";
    let code = "ok";
    try {
      const res = await next(req);
      res.header.set(SILO_HEADER, options.silo.name);
      return res;
    } catch (error) {
      const seen =
        policy === undefined
          ? ConnectError.from(error)
          : toCallerError(error, policy, options, () =>
              traceIdOf(adoptTraceparent(req.header.get(TRACEPARENT_HEADER))),
            );
      code = nameOfCode(seen.code);
      seen.metadata.set(SILO_HEADER, options.silo.name);
      throw seen;
    } finally {
      const name = policy?.name ?? `${req.service.typeName}.${req.method.name}`;
      metrics.count("cellway_rpc_server_calls_total", { method: name, caller, code });
      metrics.observe("cellway_rpc_server_duration_seconds", { method: name }, (performance.now() - startedAt) / 1000);
      logger.debug({ method: name, caller, code, ms: Math.round(performance.now() - startedAt) }, "served");
    }
  };
}

function createRightsCheck(options: ServerChainOptions): Interceptor {
  return (next) => async (req) => {
    const policy = policyOf(req.method);
    if (policy === undefined) return next(req);
    assertEnabled(policy, options.methodSwitch);
    const caller = req.contextValues.get(kCaller);
    if (caller === undefined) throw new ConnectError("the endpoint let an unverified call through", Code.Internal);
    assertAllowed(policy, caller.kind, caller.silo);
    const check = async (message: object) => {
      assertRightCell(policy, message, options.silo);
      if (caller.kind === "CELL") await assertOwned(policy, message, caller.silo, options);
    };
    if (req.stream) return next({ ...req, message: passChecked(req.message, check) });
    await check(req.message);
    return next(req);
  };
}

/** @throws UNAVAILABLE / METHOD_DISABLED. The same on both sides, so that neither needs the other to be switched. */
export function assertEnabled(policy: MethodPolicy, methodSwitch: MethodSwitch): void {
  if (!methodSwitch.isDisabled(policy.name)) return;
  throw createRpcError(Code.Unavailable, "METHOD_DISABLED", `${policy.name} is switched off by an operator.`, {
    metadata: { method: policy.name },
  });
}

/** @throws PERMISSION_DENIED / CALLER_NOT_ALLOWED when the contract does not let this kind of silo call. */
export function assertAllowed(policy: MethodPolicy, kind: CallerKind, caller: string): void {
  if (policy.allowedCallers.has(kind)) return;
  throw createRpcError(Code.PermissionDenied, "CALLER_NOT_ALLOWED", `${caller} may not call ${policy.name}.`, {
    metadata: { caller, method: policy.name },
  });
}

/** @throws FAILED_PRECONDITION / WRONG_CELL when the request names a cell that does not live in this silo. */
export function assertRightCell(policy: MethodPolicy, message: object, silo: Silo): void {
  if (policy.resolver?.kind !== "by_cell_name") return;
  const cell = policy.resolver.read(message);
  if (silo.cells.includes(cell)) return;
  if (cell === "") throw createUnsetKeyError(policy, policy.resolver.path);
  throw createRpcError(Code.FailedPrecondition, "WRONG_CELL", `This silo is ${silo.name}, not cell ${cell}.`, {
    metadata: { silo: silo.name, cell },
  });
}

async function assertOwned(
  policy: MethodPolicy,
  message: object,
  cell: string,
  { silo, resolver, logger }: ServerChainOptions,
): Promise<void> {
  if (policy.readOwnedOrganizations === undefined) return;
  if (resolver === undefined) {
    logger.error({ method: policy.name, caller: cell }, "a call was refused: nothing here knows whose organization is");
    throw createRpcError(
      Code.FailedPrecondition,
      "WRONG_SILO",
      `${silo.name} cannot tell which organizations live in ${cell}.`,
      { metadata: { silo: silo.name, cell } },
    );
  }
  const organizationIds = policy.readOwnedOrganizations(message);
  // A request that names none would be about anybody's.
  if (organizationIds.length === 0) {
    throw createRpcError(
      Code.PermissionDenied,
      "ORGANIZATION_NOT_OWNED",
      `${policy.name}: a cell must say which of its organizations it asks about.`,
      {
        metadata: { cell },
      },
    );
  }
  for (const organizationId of organizationIds) {
    const home = await resolver.byOrganizationId(organizationId);
    if (home?.silo !== cell) {
      throw createRpcError(
        Code.PermissionDenied,
        "ORGANIZATION_NOT_OWNED",
        `Organization ${organizationId} does not live in ${cell}.`,
        {
          metadata: { organization_id: organizationId, cell },
        },
      );
    }
  }
}

function createValidation(): Interceptor {
  const validator = createContractValidator();
  return (next) => async (req) => {
    if (req.stream) return next({ ...req, message: validateEach(validator, req.method, req.message) });
    assertValid(validator, req.method, req.message);
    return next(req);
  };
}

/** The messages, each once it has been checked: nothing reaches the implementation unchecked. */
async function* passChecked<T extends object>(
  messages: AsyncIterable<T>,
  check: (message: T) => Promise<void>,
): AsyncIterable<T> {
  for await (const message of messages) {
    await check(message);
    yield message;
  }
}

async function* validateEach<T extends object>(
  validator: Validator,
  method: DescMethod,
  messages: AsyncIterable<T>,
): AsyncIterable<T> {
  for await (const message of messages) {
    assertValid(validator, method, message);
    yield message;
  }
}

function createContextEntry(options: ServerChainOptions): Interceptor {
  return (next) => async (req) => {
    const policy = policyOf(req.method);
    if (policy === undefined) return next(req);
    const caller = req.contextValues.get(kCaller);
    const call: CallContext = {
      localMode: policy.service.localMode,
      siloName: options.silo.name,
      caller: caller?.silo ?? options.silo.name,
      viewer: caller?.viewer,
      deadlineAtMs: Date.now() + (parseTimeoutMs(req.header) ?? policy.timeoutMs),
      signal: req.signal,
      traceparent: adoptTraceparent(req.header.get(TRACEPARENT_HEADER)),
    };
    const res = await withCallContext(call, () => next(req));
    return res.stream ? { ...res, message: bindIterable(call, res.message) } : res;
  };
}

/** A generator runs in the context of whoever asks for its next value; this makes that the call's. */
function bindIterable<T>(call: CallContext, iterable: AsyncIterable<T>): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = iterable[Symbol.asyncIterator]();
      const bound: AsyncIterator<T> = { next: () => withCallContext(call, () => iterator.next()) };
      if (iterator.return !== undefined)
        bound.return = (value) =>
          withCallContext(call, () => iterator.return?.(value) ?? Promise.resolve({ done: true, value }));
      if (iterator.throw !== undefined)
        bound.throw = (reason) =>
          withCallContext(call, () => iterator.throw?.(reason) ?? Promise.reject(reason as Error));
      return bound;
    },
  };
}

const GRPC_UNITS_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 0.001,
  n: 0.000_001,
};

/** What the caller gave the call, in the words of the request's own protocol; undefined when that says nothing. */
function parseTimeoutMs(header: Headers): number | undefined {
  const isGrpc = header.get("content-type")?.startsWith("application/grpc") === true;
  const timeoutMs = isGrpc ? parseGrpcTimeoutMs(header.get("grpc-timeout")) : Number(header.get("connect-timeout-ms"));
  return Number.isFinite(timeoutMs) && timeoutMs > 0 ? timeoutMs : undefined;
}

function parseGrpcTimeoutMs(text: string | null): number {
  return text === null ? Number.NaN : Number(text.slice(0, -1)) * (GRPC_UNITS_MS[text.slice(-1)] ?? Number.NaN);
}

/** The policy of a method of ours; undefined for the standard health and reflection services, which carry no options. */
function policyOf(method: DescMethod): MethodPolicy | undefined {
  return method.parent.typeName.startsWith("grpc.") ? undefined : methodPolicyOf(method);
}

/** `not_found`: the name of a code as Connect writes it. */
export function nameOfCode(code: Code): string {
  return Code[code].replace(/([a-z])([A-Z])/g, "$1_$2").toLowerCase();
}

/** Whether an error came from a switched-off method. */
export function isDisabledError(error: unknown): boolean {
  return reasonOf(error) === "METHOD_DISABLED";
}
