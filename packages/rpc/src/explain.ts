import type { DescMethod } from "@bufbuild/protobuf";
import type { Silo } from "@cellway/silo";
import { methodPolicyOf, type ResolverKind } from "./contract.js";
import { type CellResolver, resolveDestination } from "./resolver.js";
import type { MethodSwitch, RpcLimits } from "./settings.js";

/** Where a call would run and under which rules. */
export interface CallExplanation {
  readonly method: string;
  /** `organization.v1.OrganizationService` is local to cells, for example. */
  readonly localMode: "CONTROL" | "CELL";
  /** The silo that asks. */
  readonly from: string;
  /** The silo in which it would run; null when the directory has no row. */
  readonly runsIn: string | null;
  /** In the same process, or over the network. */
  readonly transport: "in process" | "network";
  /** Where the request would be sent; null in process. */
  readonly address: string | null;
  readonly resolver: { readonly kind: ResolverKind; readonly field: string; readonly value: string } | null;
  /** A sentence that says why. */
  readonly why: string;
  readonly timeoutMs: number;
  /** A sentence that says when it would be repeated. */
  readonly retries: string;
  readonly allowedCallers: readonly string[];
  readonly isDisabled: boolean;
}

/** Explains a call without making it. Fails as the call would when its request does not say where it goes. */
export async function explainCall(
  method: DescMethod,
  message: object,
  options: {
    silo: Silo;
    isLocal: boolean;
    controlAddress: string;
    controlName?: string;
    resolver: CellResolver | undefined;
    limits: RpcLimits;
    methodSwitch: MethodSwitch;
  },
): Promise<CallExplanation> {
  const policy = methodPolicyOf(method);
  const common = {
    method: policy.name,
    localMode: policy.service.localMode,
    from: options.silo.name,
    resolver:
      policy.resolver === undefined
        ? null
        : { kind: policy.resolver.kind, field: policy.resolver.path, value: policy.resolver.read(message) },
    timeoutMs: policy.timeoutMs,
    retries: policy.repeatable
      ? `up to ${options.limits.attemptsMax} attempts inside the deadline: the method is safe to repeat`
      : "only when the request surely never reached the peer: the method may not run twice",
    allowedCallers: [...policy.allowedCallers].map((caller) => caller.toLowerCase()),
    isDisabled: options.methodSwitch.isDisabled(policy.name),
  };
  if (options.isLocal) {
    const why = `${policy.service.key} is local to ${policy.service.localMode.toLowerCase()} and ${options.silo.name} is ${options.silo.mode.toLowerCase()}`;
    return { ...common, runsIn: options.silo.name, transport: "in process", address: null, why };
  }
  const resolution = await resolveDestination(policy, message, options);
  if ("unmapped" in resolution) {
    const end = policy.absentIfUnmapped
      ? "an empty response is given"
      : "the call fails with NOT_FOUND / CELL_MAPPING_NOT_FOUND";
    return {
      ...common,
      runsIn: null,
      transport: "network",
      address: null,
      why: `the directory has no cell for ${resolution.unmapped}; ${end}, and nothing is sent`,
    };
  }
  const { silo, address } = resolution.destination;
  return {
    ...common,
    runsIn: silo,
    transport: "network",
    address,
    why: describeRoute(policy.resolver, common.resolver?.value ?? "", silo),
  };
}

function describeRoute(
  resolver: { kind: ResolverKind; path: string } | undefined,
  value: string,
  silo: string,
): string {
  if (resolver === undefined) return "the service is local to control";
  if (resolver.kind === "single_organization") return `the only organization lives in ${silo}`;
  if (resolver.kind === "by_cell_name") return `${resolver.path} names the cell ${silo}`;
  return `the directory maps ${resolver.path} = ${value} to ${silo}`;
}
