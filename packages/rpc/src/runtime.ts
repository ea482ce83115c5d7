import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { Health } from "@cellway/gen/grpc/health/v1/health";
import { ServerReflection } from "@cellway/gen/grpc/reflection/v1/reflection";
import { ServerReflection as ServerReflectionAlpha } from "@cellway/gen/grpc/reflection/v1alpha/reflection";
import { CONTROL_SILO_NAME, isLocalTo, type Silo, SiloLimitError } from "@cellway/silo";
import { createUsageLog, type Logger, type Metrics, type UsageLog } from "@cellway/telemetry";
import {
  type Client,
  type ConnectError,
  type ConnectRouterOptions,
  createClient,
  createConnectRouter,
  type ServiceImpl,
  type Transport,
} from "@connectrpc/connect";
import type { UniversalHandlerFn } from "@connectrpc/connect/protocol";
import { compressionGzip } from "@connectrpc/connect-node";
import { endStreamsOnBreak } from "./client/breakable-streams.js";
import { createDirectTransport, type MethodImplementation } from "./client/direct-transport.js";
import { shortenLocalCalls } from "./client/local-client.js";
import { createPeer, type Peer } from "./client/peer.js";
import { createRemoteTransport } from "./client/remote-transport.js";
import { methodPolicyOf, servicePolicyOf } from "./contract.js";
import { contractDigestOf } from "./contract-digest.js";
import { type CallExplanation, explainCall } from "./explain.js";
import type { Network } from "./network/network.js";
import type { CellResolver } from "./resolver.js";
import { createEndpoint, type GuardedHandler, throwRefusal } from "./server/endpoint.js";
import { createHealthService } from "./server/health.js";
import { createServerInterceptors, type ServerChainOptions } from "./server/interceptors.js";
import { createReflectionServices } from "./server/reflection.js";
import { createUsageCounter, declareUsages } from "./server/usage-counter.js";
import { createMethodSwitch, DEFAULT_LIMITS, type MethodSwitch, type RpcLimits } from "./settings.js";
import type { KeyRing } from "./signing/keys.js";
import { createNonceMemory } from "./signing/nonce-memory.js";
import { CLOCK_TOLERANCE_MS } from "./signing/signature.js";
import { createVerifier, type Verifier } from "./signing/verifier.js";

/** The largest message of a health check. */
const HEALTH_MAX_BYTES = 1_024;

/** Who may ask for the schema. `token`: whoever holds a token for this silo. */
export type ReflectionAccess = "open" | "token" | "off";

/** What a runtime is made of. */
export interface RpcRuntimeOptions {
  readonly silo: Silo;
  readonly network: Network;
  readonly keys: KeyRing;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Who calls over the network what of this silo is deprecated. Default: a log that nobody reads. */
  readonly usage?: UsageLog;
  /** The origin of control's RPC listener. */
  readonly controlAddress: string;
  /** Finds cells; control, monolith and operators have one. It may itself call services. */
  readonly resolver?: CellResolver;
  readonly limits?: Partial<RpcLimits>;
  /** Methods that are switched off. Default: none, for ever. */
  readonly methodSwitch?: MethodSwitch;
  /** Whether tokens are accepted in place of signatures. Default false. */
  readonly tokensAllowed?: boolean;
  /** Default `token`. */
  readonly reflection?: ReflectionAccess;
  /** False sends JSON bodies. Default true. */
  readonly useBinaryFormat?: boolean;
  /** True for a runtime that serves nothing and calls everything, such as the command line. Default false. */
  readonly isOperator?: boolean;
  /** See {@link ServerChainOptions}. Default: leaves every error. */
  readonly translateError?: (error: unknown) => ConnectError | undefined;
  /** For health checks. Default: always ready. */
  readonly isReady?: () => boolean;
}

/** The RPC runtime of one silo: every call in and out of it, and every call inside. */
export interface RpcRuntime {
  readonly silo: Silo;
  /** A client of a service: in process where it runs here, else over the network. The same for the same service. */
  client<S extends DescService>(service: S): Client<S>;
  /**
   * Adds a service that runs here. All are added before {@link endpoint} is first used.
   *
   * @throws SiloLimitError when it is local to the other side.
   */
  serve<S extends DescService>(service: S, implementation: Partial<ServiceImpl<S>>): void;
  /** The services added so far. */
  readonly services: readonly DescService[];
  /** Names what the services added so far are, all together: see {@link contractDigestOf}. */
  contractDigest(): string;
  /** What the listener serves: all added services, health and reflection. */
  endpoint(): UniversalHandlerFn;
  /** Where a call would run, why, over which route and under which rules. Makes no call. */
  explain(method: DescMethod, message: object): Promise<CallExplanation>;
}

/** Creates the runtime. Nothing is opened: the caller owns network and listener. */
export function createRpcRuntime(options: RpcRuntimeOptions): RpcRuntime {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const methodSwitch = options.methodSwitch ?? createMethodSwitch();
  const usage = options.usage ?? createUsageLog();
  const implementations = new Map<DescService, Record<string, MethodImplementation | undefined>>();
  const isHere = (service: DescService) =>
    options.isOperator !== true && isLocalTo(options.silo, servicePolicyOf(service).localMode);
  const chain: ServerChainOptions = {
    silo: options.silo,
    resolver: options.resolver,
    methodSwitch,
    logger: options.logger,
    metrics: options.metrics,
    translateError: options.translateError ?? (() => undefined),
  };
  const direct = createDirectTransport({
    ...chain,
    lookup: (method) => implementations.get(method.parent)?.[method.localName],
  });
  const remote = createRemote(options, limits, methodSwitch);
  const clients = new Map<DescService, unknown>();
  const services: DescService[] = [];
  return {
    silo: options.silo,
    services,
    client<S extends DescService>(service: S): Client<S> {
      let client = clients.get(service) as Client<S> | undefined;
      if (client === undefined) {
        client = createClient(service, isHere(service) ? direct : remote);
        if (isHere(service)) shortenLocalCalls(service, client, direct);
        endStreamsOnBreak(service, client);
        clients.set(service, client);
      }
      return client;
    },
    serve(service, implementation) {
      const policy = servicePolicyOf(service);
      if (!isHere(service)) throw new SiloLimitError("service", policy.key, policy.localMode, options.silo.name);
      // Read now, so that a contract that cannot be served stops the start rather than a call.
      for (const method of service.methods) methodPolicyOf(method);
      implementations.set(service, implementation as Record<string, MethodImplementation | undefined>);
      services.push(service);
      declareUsages(service.methods, usage);
    },
    contractDigest: () => contractDigestOf(services),
    endpoint: () => createServerEndpoint(options, limits, { chain, usage, services, implementations }),
    explain: (method, message) =>
      explainCall(method, message, {
        silo: options.silo,
        isLocal: isHere(method.parent),
        controlAddress: options.controlAddress,
        controlName: controlNameOf(options),
        resolver: options.resolver,
        limits,
        methodSwitch,
      }),
  };
}

/** An operator stands where control does; everybody else calls it by its own name. */
function controlNameOf({ isOperator, silo }: RpcRuntimeOptions): string {
  return isOperator === true ? silo.name : CONTROL_SILO_NAME;
}

function createRemote(options: RpcRuntimeOptions, limits: RpcLimits, methodSwitch: MethodSwitch): Transport {
  const peers = new Map<string, Peer>();
  return createRemoteTransport({
    controlAddress: options.controlAddress,
    controlName: controlNameOf(options),
    resolver: options.resolver,
    limits,
    metrics: options.metrics,
    methodSwitch,
    useBinaryFormat: options.useBinaryFormat ?? true,
    peerOf(silo) {
      let peer = peers.get(silo);
      if (peer === undefined) {
        peer = createPeer(silo, limits, options.metrics);
        peers.set(silo, peer);
      }
      return peer;
    },
    network: options.network,
    signer: { caller: options.silo.name, keys: options.keys },
  });
}

function createServerEndpoint(
  options: RpcRuntimeOptions,
  limits: RpcLimits,
  served: {
    readonly chain: ServerChainOptions;
    readonly usage: UsageLog;
    readonly services: readonly DescService[];
    readonly implementations: ReadonlyMap<DescService, object>;
  },
): UniversalHandlerFn {
  const { chain, usage, services, implementations } = served;
  const interceptors = [createUsageCounter({ usage, metrics: options.metrics }), ...createServerInterceptors(chain)];
  const common = {
    acceptCompression: [compressionGzip],
    compressMinBytes: 64 * 1024,
    readMaxBytes: limits.messageMaxBytes,
    writeMaxBytes: limits.messageMaxBytes,
    maxTimeoutMs: limits.timeoutMaxMs,
    requestGate: throwRefusal,
  };
  const router = createConnectRouter({ ...common, interceptors });
  for (const service of services)
    router.service(service, implementations.get(service) as Partial<ServiceImpl<typeof service>>);
  const handlers: GuardedHandler[] = router.handlers.map((handler) => ({
    handler,
    name: methodPolicyOf(handler.method).name,
    guard: "signed",
  }));
  handlers.push(...createHealthHandlers(options, common, services), ...createToolHandlers(options, common, services));
  return createEndpoint({ ...limits, handlers, verifier: createSiloVerifier(options, limits) });
}

/** Health is open to anybody, so that it may cost next to nothing. */
function createHealthHandlers(
  options: RpcRuntimeOptions,
  common: ConnectRouterOptions,
  services: readonly DescService[],
): GuardedHandler[] {
  const router = createConnectRouter({
    ...common,
    acceptCompression: [],
    readMaxBytes: HEALTH_MAX_BYTES,
    writeMaxBytes: HEALTH_MAX_BYTES,
  });
  router.service(
    Health,
    createHealthService({
      services: () => new Set(services.map((service) => service.typeName)),
      isReady: options.isReady ?? (() => true),
    }),
  );
  return router.handlers.map((handler) => ({ handler, name: `health.${handler.method.name}`, guard: "open" }));
}

function createToolHandlers(
  options: RpcRuntimeOptions,
  common: ConnectRouterOptions,
  services: readonly DescService[],
): GuardedHandler[] {
  const access = options.reflection ?? "token";
  if (access === "off") return [];
  const reflection = createReflectionServices(() => [...services, Health, ServerReflection, ServerReflectionAlpha]);
  const router = createConnectRouter(common);
  router.service(ServerReflection, reflection.v1);
  router.service(ServerReflectionAlpha, reflection.v1alpha);
  return router.handlers.map((handler) => ({ handler, name: `reflection.${handler.method.name}`, guard: access }));
}

function createSiloVerifier(options: RpcRuntimeOptions, limits: RpcLimits): Verifier {
  return createVerifier({
    silo: options.silo.name,
    keys: options.keys,
    nonces: createNonceMemory({
      windowMs: 2 * CLOCK_TOLERANCE_MS,
      nonceMax: limits.nonceMax,
      onSize: (size) => options.metrics.set("cellway_rpc_nonce_memory_entries", {}, size),
    }),
    tokensAllowed: options.tokensAllowed ?? false,
    onRefused: (reason) => options.metrics.count("cellway_rpc_server_refused_total", { reason }),
  });
}
