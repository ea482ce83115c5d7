import { create } from "@bufbuild/protobuf";
import type { Metrics } from "@cellway/telemetry";
import { Code, ConnectError, createContextKey, type Interceptor } from "@connectrpc/connect";
import { currentCall, formatViewer } from "../context.js";
import { type MethodPolicy, methodPolicyOf } from "../contract.js";
import { clearUnsent, createRpcError, isUnsent, markUnsent } from "../errors.js";
import { CALLER_HEADER } from "../headers.js";
import { readPathMissing } from "../peers/errors.js";
import type { PeerContracts } from "../peers/peer-contracts.js";
import { type CellResolver, type Destination, resolveDestination } from "../resolver.js";
import { nameOfCode } from "../server/interceptors.js";
import type { RpcLimits } from "../settings.js";
import { VIEWER_HEADER } from "../signing/verifier.js";
import { createTraceparent, TRACEPARENT_HEADER } from "../trace.js";
import { assertValid, createContractValidator } from "../validation.js";
import { type Peer, whyRepeatable } from "./peer.js";
import { AUDIENCE_HEADER } from "./signing-client.js";

/** When a call must be over, in milliseconds since the epoch. Set by the transport, read by the retry loop. */
export const kDeadlineAt = createContextKey<number>(Number.POSITIVE_INFINITY, { description: "deadline" });

/** Where the call goes. Set by the resolution interceptor, read by the transport. */
export const kDestination = createContextKey<Destination | undefined>(undefined, { description: "destination" });

/** Which service's code makes the call. Set by the transport. */
export const kCallerHeader = createContextKey("", { description: "caller header" });

/** Whether the call asks a silo what it serves, so that it does not depend on the answer. */
export const kAsksContract = createContextKey(false, { description: "asks for the contract" });

/** What the client chain needs. */
export interface ClientChainOptions {
  readonly controlAddress: string;
  /** The name of the silo at {@link controlAddress}. Default `control`. */
  readonly controlName?: string;
  readonly resolver: CellResolver | undefined;
  readonly limits: RpcLimits;
  readonly metrics: Metrics;
  /** The one state per silo. */
  readonly peerOf: (silo: string) => Peer;
  /** What the silos serve. */
  readonly contracts: PeerContracts;
}

/**
 * The client chain for calls that leave the silo, outermost first: telemetry → viewer and trace → resolution → what the
 * peer serves → resilience.
 */
export function createClientInterceptors(options: ClientChainOptions): Interceptor[] {
  return [
    createClientTelemetry(options),
    addCallContext,
    createResolution(options),
    createPeerGuard(options),
    createResilience(options),
  ];
}

function createClientTelemetry(options: ClientChainOptions): Interceptor {
  return (next) => async (req) => {
    const policy = methodPolicyOf(req.method);
    const startedAt = performance.now();
    let code = "ok";
    try {
      return await next(req);
    } catch (error) {
      code = nameOfCode(ConnectError.from(error).code);
      throw error;
    } finally {
      const destination = req.contextValues.get(kDestination)?.silo ?? "none";
      options.metrics.count("cellway_rpc_client_calls_total", { method: policy.name, destination, code });
      options.metrics.observe(
        "cellway_rpc_client_duration_seconds",
        { method: policy.name, destination },
        (performance.now() - startedAt) / 1000,
      );
    }
  };
}

/** Hands on whose behalf the call is made and which trace it belongs to. Neither is the caller's to say in a header. */
const addCallContext: Interceptor = (next) => (req) => {
  const call = currentCall();
  if (call?.viewer === undefined) req.header.delete(VIEWER_HEADER);
  else req.header.set(VIEWER_HEADER, formatViewer(call.viewer));
  req.header.set(TRACEPARENT_HEADER, call?.traceparent ?? createTraceparent());
  return next(req);
};

function createResolution(options: ClientChainOptions): Interceptor {
  const validator = createContractValidator();
  return (next) => async (req) => {
    const policy = methodPolicyOf(req.method);
    if (req.stream) {
      if (req.method.methodKind !== "server_streaming") {
        throw new ConnectError(
          `${policy.name} streams requests, which cannot be signed between silos`,
          Code.Unimplemented,
        );
      }
      const [message, rest] = await peekFirst(req.message);
      const destination = await resolveOrThrow(policy, message, options);
      req.contextValues.set(kDestination, destination);
      req.header.set(AUDIENCE_HEADER, destination.silo);
      req.header.set(CALLER_HEADER, req.contextValues.get(kCallerHeader));
      return next({ ...req, message: rest, url: destination.address + policy.path });
    }
    if (req.contextValues.get(kDestination) !== undefined) return next(req);
    const resolution = await resolveDestination(policy, req.message, options);
    if ("destination" in resolution) {
      req.contextValues.set(kDestination, resolution.destination);
      return next(req);
    }
    // What breaks the contract is an error wherever the service runs, and an answer nowhere.
    assertValid(validator, req.method, req.message);
    countUnmapped(policy, options.metrics);
    if (!policy.absentIfUnmapped) throw createUnmappedError(policy, resolution.unmapped);
    return {
      stream: false,
      service: req.service,
      method: req.method,
      header: new Headers(),
      trailer: new Headers(),
      message: create(req.method.output),
    };
  };
}

async function resolveOrThrow(
  policy: MethodPolicy,
  message: object,
  options: ClientChainOptions,
): Promise<Destination> {
  const resolution = await resolveDestination(policy, message, options);
  if ("destination" in resolution) return resolution.destination;
  countUnmapped(policy, options.metrics);
  throw createUnmappedError(policy, resolution.unmapped);
}

function countUnmapped(policy: MethodPolicy, metrics: Metrics): void {
  metrics.count("cellway_rpc_client_rejected_total", { method: policy.name, destination: "none", why: "unmapped" });
}

function createUnmappedError(policy: MethodPolicy, what: string): ConnectError {
  return createRpcError(Code.NotFound, "CELL_MAPPING_NOT_FOUND", `The directory has no cell for ${what}.`, {
    metadata: { method: policy.name },
  });
}

async function peekFirst<T extends object>(messages: AsyncIterable<T>): Promise<[T, AsyncIterable<T>]> {
  const iterator = messages[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done === true) throw new ConnectError("a server stream needs one request", Code.Internal);
  const rest = (async function* () {
    yield first.value;
    for (let item = await iterator.next(); item.done !== true; item = await iterator.next()) yield item.value;
  })();
  return [first.value, rest];
}

/** Refuses what the silo is known not to have yet, and learns it from the silo's own answer where it is not known. */
function createPeerGuard({ contracts }: ClientChainOptions): Interceptor {
  return (next) => async (req) => {
    const destination = req.contextValues.get(kDestination);
    if (destination === undefined || req.contextValues.get(kAsksContract)) return next(req);
    const policy = methodPolicyOf(req.method);
    contracts.assertServes(policy, destination);
    try {
      return await next(req);
    } catch (error) {
      const missing = readPathMissing(error);
      throw (missing && contracts.learnMissing(policy, destination, missing.contract)) ?? error;
    }
  };
}

/** Repeats attempts, only when that is safe, inside the deadline and the peer's budget. */
function createResilience(options: ClientChainOptions): Interceptor {
  const { limits, metrics } = options;
  return (next) => async (req) => {
    const policy = methodPolicyOf(req.method);
    const silo = req.contextValues.get(kDestination)?.silo ?? "";
    const peer = options.peerOf(silo);
    const deadlineAtMs = req.contextValues.get(kDeadlineAt);
    assertTimeLeft(policy, deadlineAtMs);
    peer.retryBudget.earn();
    let mayHaveArrived = false;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await peer.run(() => next(req), deadlineAtMs - Date.now());
      } catch (error) {
        mayHaveArrived ||= !isUnsent(error);
        // A request stream that was read once cannot be sent again.
        const why = req.stream ? undefined : whyRepeatable(error, policy.repeatable);
        // "Unsent" is said of the whole call: the last attempt must not hide that an earlier one may have arrived.
        if (mayHaveArrived) clearUnsent(error);
        if (why === undefined || attempt >= limits.attemptsMax || req.signal.aborted) throw error;
        const pauseMs = Math.random() * limits.retryPauseMs * 2 ** (attempt - 1);
        const leftMs = deadlineAtMs - Date.now() - pauseMs;
        if (leftMs <= 0) throw error;
        if (!peer.retryBudget.spend()) {
          metrics.count("cellway_rpc_client_retry_budget_exhausted_total", { destination: silo });
          throw error;
        }
        metrics.count("cellway_rpc_client_retries_total", { method: policy.name, destination: silo, why });
        await pause(pauseMs, req.signal);
      }
    }
  };
}

/** @throws DEADLINE_EXCEEDED, unsent, when the time was over before the call was made. It says nothing of the peer. */
function assertTimeLeft(policy: MethodPolicy, deadlineAtMs: number): void {
  if (deadlineAtMs > Date.now()) return;
  const text = `The time for ${policy.name} was over before it was called.`;
  throw markUnsent(
    createRpcError(Code.DeadlineExceeded, "DEADLINE_EXCEEDED", text, { metadata: { method: policy.name } }),
  );
}

/** Waits, or rejects with the signal's reason as soon as it aborts. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
