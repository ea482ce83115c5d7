import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { isLocalTo, SiloLimitError } from "@cellway/silo";
import { createUsageLog, type Logger, type UsageLog } from "@cellway/telemetry";
import type { ConnectError, ServiceImpl } from "@connectrpc/connect";
import type { UniversalHandlerFn } from "@connectrpc/connect/protocol";
import { createCallers, type RpcCaller } from "./client/callers.js";
import { createDirectTransport, type MethodImplementation } from "./client/direct-transport.js";
import { controlNameOf, createRemote } from "./client/remote.js";
import { methodPolicyOf, servicePolicyOf } from "./contract.js";
import { type ContractDescription, describeContract } from "./contract-digest.js";
import { type CallExplanation, explainCall } from "./explain.js";
import { assertVersion, formatContractHeader, UNKNOWN_VERSION } from "./headers.js";
import type { Network } from "./network/network.js";
import type { CellResolver } from "./resolver.js";
import type { ServerChainOptions } from "./server/interceptors.js";
import { servePeerServices } from "./server/peer-services.js";
import { createSiloEndpoint, type SiloEndpointOptions } from "./server/silo-endpoint.js";
import { declareUsages } from "./server/usage-counter.js";
import { createMethodSwitch, DEFAULT_LIMITS, type MethodSwitch, type RpcLimits } from "./settings.js";

/** What a runtime is made of. */
export interface RpcRuntimeOptions extends SiloEndpointOptions {
  /**
   * The release of this process, such as `0.2.0`: told with every call and every answer. Default `unknown`.
   */
  readonly version?: string;
  /** What calls on the runtime itself are made as; see {@link RpcRuntime.forService}. Default `runtime`. */
  readonly callerService?: string;
  readonly network: Network;
  readonly logger: Logger;
  /** Who calls over the network what of this silo is deprecated. Default: a log that nobody reads. */
  readonly usage?: UsageLog;
  /** The origin of control's RPC listener. */
  readonly controlAddress: string;
  /** Finds cells; control, monolith and operators have one. It may itself call services. */
  readonly resolver?: CellResolver;
  readonly limits?: Partial<RpcLimits>;
  /** Methods that are switched off. Default: none, for ever. */
  readonly methodSwitch?: MethodSwitch;
  /** False sends JSON bodies. Default true. */
  readonly useBinaryFormat?: boolean;
  /** True for a runtime that serves nothing and calls everything, such as the command line. Default false. */
  readonly isOperator?: boolean;
  /** See {@link ServerChainOptions}. Default: leaves every error. */
  readonly translateError?: (error: unknown) => ConnectError | undefined;
}

/** The RPC runtime of one silo: every call in and out of it, and every call inside. */
export interface RpcRuntime extends RpcCaller {
  readonly silo: SiloEndpointOptions["silo"];
  /** The same for the code of one service: its calls say in a header who makes them. The name is a contract's key, or alike. */
  forService(name: string): RpcCaller;
  /**
   * Adds a service that runs here. All are added before {@link endpoint} is first used.
   *
   * @throws SiloLimitError when it is local to the other side.
   */
  serve<S extends DescService>(service: S, implementation: Partial<ServiceImpl<S>>): void;
  /** The services added so far; the first ones say what the process serves. */
  readonly services: readonly DescService[];
  /** Names what the services added so far are, all together: see {@link describeContract}. */
  contractDigest(): string;
  /** What the listener serves: all added services, health and reflection. */
  endpoint(): UniversalHandlerFn;
  /** Where a call would run, why, over which route and under which rules. Makes no call. */
  explain(method: DescMethod, message: object): Promise<CallExplanation>;
}

/** Creates the runtime. Nothing is opened: the caller owns network and listener. */
export function createRpcRuntime(options: RpcRuntimeOptions): RpcRuntime {
  const { silo, version = UNKNOWN_VERSION } = options;
  assertVersion(version);
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const methodSwitch = options.methodSwitch ?? createMethodSwitch();
  const usage = options.usage ?? createUsageLog();
  const implementations = new Map<DescService, Record<string, MethodImplementation | undefined>>();
  const services: DescService[] = [];
  const isHere = (service: DescService) =>
    options.isOperator !== true && isLocalTo(silo, servicePolicyOf(service).localMode);
  const chain = createChain(options, methodSwitch);
  const direct = createDirectTransport({
    ...chain,
    lookup: (method) => implementations.get(method.parent)?.[method.localName],
  });
  const remote = createRemote({ ...options, version, limits, methodSwitch });
  const forService = createCallers({ ...remote, resolver: options.resolver, limits, direct, isHere });
  const describe = createDescriber(services);
  const runtime: RpcRuntime = {
    silo,
    services,
    ...forService(options.callerService ?? "runtime"),
    forService,
    serve(service, implementation) {
      const policy = servicePolicyOf(service);
      if (!isHere(service)) throw new SiloLimitError("service", policy.key, policy.localMode, silo.name);
      // Read now, so that a contract that cannot be served stops the start rather than a call.
      for (const method of service.methods) methodPolicyOf(method);
      implementations.set(service, implementation as Record<string, MethodImplementation | undefined>);
      services.push(service);
      declareUsages(service.methods, usage);
    },
    contractDigest: () => describe().digest,
    endpoint() {
      const contract = formatContractHeader({ version, digest: describe().digest });
      return createSiloEndpoint(options, limits, { chain, usage, services, implementations, contract });
    },
    explain: (method, message) =>
      explainCall(method, message, {
        silo,
        isLocal: isHere(method.parent),
        controlAddress: options.controlAddress,
        controlName: controlNameOf(options),
        resolver: options.resolver,
        limits,
        methodSwitch,
      }),
  };
  servePeerServices({ version, describe, isHere, rpc: runtime });
  return runtime;
}

function createChain(options: RpcRuntimeOptions, methodSwitch: MethodSwitch): ServerChainOptions {
  return {
    silo: options.silo,
    resolver: options.resolver,
    methodSwitch,
    logger: options.logger,
    metrics: options.metrics,
    translateError: options.translateError ?? (() => undefined),
  };
}

/** Describes the services, once for as many as there are. */
function createDescriber(services: readonly DescService[]): () => ContractDescription {
  let described: { readonly count: number; readonly contract: ContractDescription } | undefined;
  return () => {
    if (described?.count !== services.length)
      described = { count: services.length, contract: describeContract(services) };
    return described.contract;
  };
}
