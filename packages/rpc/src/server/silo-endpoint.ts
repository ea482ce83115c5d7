import type { DescService } from "@bufbuild/protobuf";
import { Health } from "@cellway/gen/grpc/health/v1/health";
import { ServerReflection } from "@cellway/gen/grpc/reflection/v1/reflection";
import { ServerReflection as ServerReflectionAlpha } from "@cellway/gen/grpc/reflection/v1alpha/reflection";
import type { Silo } from "@cellway/silo";
import type { Metrics, UsageLog } from "@cellway/telemetry";
import { type ConnectRouterOptions, createConnectRouter, type ServiceImpl } from "@connectrpc/connect";
import type { UniversalHandlerFn } from "@connectrpc/connect/protocol";
import { compressionGzip } from "@connectrpc/connect-node";
import { methodPolicyOf } from "../contract.js";
import type { RpcLimits } from "../settings.js";
import type { KeyRing } from "../signing/keys.js";
import { createNonceMemory } from "../signing/nonce-memory.js";
import { CLOCK_TOLERANCE_MS } from "../signing/signature.js";
import { createVerifier, type Verifier } from "../signing/verifier.js";
import { createEndpoint, type GuardedHandler, throwRefusal } from "./endpoint.js";
import { createHealthService } from "./health.js";
import { createServerInterceptors, type ServerChainOptions } from "./interceptors.js";
import { createReflectionServices } from "./reflection.js";
import { createUsageCounter } from "./usage-counter.js";

/** The largest message of a health check. */
const HEALTH_MAX_BYTES = 1_024;

/** Who may ask for the schema. `token`: whoever holds a token for this silo. */
export type ReflectionAccess = "open" | "token" | "off";

/** How a silo lets callers in. */
export interface SiloEndpointOptions {
  readonly silo: Silo;
  readonly keys: KeyRing;
  readonly metrics: Metrics;
  /** Whether tokens are accepted in place of signatures. Default false. */
  readonly tokensAllowed?: boolean;
  /** Default `token`. */
  readonly reflection?: ReflectionAccess;
  /** For health checks. Default: always ready. */
  readonly isReady?: () => boolean;
}

/** Everything that the listener of a silo serves: the services, health, and reflection for tools. */
export function createSiloEndpoint(
  options: SiloEndpointOptions,
  limits: RpcLimits,
  served: {
    readonly chain: ServerChainOptions;
    readonly usage: UsageLog;
    readonly services: readonly DescService[];
    readonly implementations: ReadonlyMap<DescService, object>;
    /** The value of the header that says what is served. */
    readonly contract: string;
  },
): UniversalHandlerFn {
  const { chain, usage, services, implementations, contract } = served;
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
  return createEndpoint({ ...limits, contract, handlers, verifier: createSiloVerifier(options, limits) });
}

/** Health is open to anybody, so that it may cost next to nothing. */
function createHealthHandlers(
  options: SiloEndpointOptions,
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
  options: SiloEndpointOptions,
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

function createSiloVerifier(options: SiloEndpointOptions, limits: RpcLimits): Verifier {
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
