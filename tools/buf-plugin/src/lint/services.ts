import { type DescField, type DescMethod, type DescService, getOption, isFieldSet } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence, type MethodOptions, MethodOptionsSchema } from "@bufbuild/protobuf/wkt";
import { Caller, method as methodOption } from "@cellway/gen/cellway/contract/v1/options";
import { ContractError, type MethodPolicy, methodPolicyOf, servicePolicyOf } from "@cellway/rpc/contract";
import type { Contract } from "../contract-files.js";
import type { Finding } from "../finding.js";
import { readHttpPaths } from "../http-route.js";

/** Lints every service and its methods. What the runtime would refuse is refused with the runtime's own words. */
export function lintServices({ services }: Contract): Finding[] {
  return [...[...services.values()].flatMap(lintService), ...lintKeys([...services.values()])];
}

function lintService(service: DescService): Finding[] {
  const refused = refusalOf(() => servicePolicyOf(service));
  if (refused !== undefined) return [{ ruleId: "SERVICE_STATES_POLICY", message: refused, at: service }];
  return service.methods.flatMap((method) => [...lintMethod(method), ...lintPolicy(method)]);
}

function lintKeys(services: readonly DescService[]): Finding[] {
  const byKey = new Map<string, DescService>();
  const findings: Finding[] = [];
  for (const service of services) {
    if (refusalOf(() => servicePolicyOf(service)) !== undefined) continue;
    const { key } = servicePolicyOf(service);
    const twin = byKey.get(key);
    if (twin === undefined) {
      byKey.set(key, service);
      continue;
    }
    const message = `${service.typeName} has the key "${key}", which is that of ${twin.typeName}: metrics, settings and the command line could not tell them apart. Give it another.`;
    findings.push({ ruleId: "SERVICE_KEY_UNIQUE", message, at: service });
  }
  return findings;
}

/** What a method has to state, whatever its policy is. */
function lintMethod(method: DescMethod): Finding[] {
  const name = `${method.parent.name}.${method.name}`;
  const findings: Finding[] = [];
  const { options } = method.proto;
  if (options === undefined || !statesIdempotency(options)) {
    const message = `${name} does not state its idempotency_level, by which callers know whether they may repeat it: NO_SIDE_EFFECTS, IDEMPOTENT or IDEMPOTENCY_UNKNOWN.`;
    findings.push({ ruleId: "RPC_STATES_IDEMPOTENCY", message, at: method });
  }
  const { allowedCallers, localOnly } = getOption(method, methodOption);
  if (allowedCallers.length === 0 && !localOnly) {
    const message = `${name} does not state who may call it: allowed_callers: [CALLER_CONTROL], [CALLER_CELL] or both, or local_only: true.`;
    findings.push({ ruleId: "RPC_STATES_CALLERS", message, at: method });
  }
  return findings;
}

function statesIdempotency(options: MethodOptions): boolean {
  return isFieldSet(options, MethodOptionsSchema.field.idempotencyLevel);
}

function lintPolicy(method: DescMethod): Finding[] {
  const refused = refusalOf(() => methodPolicyOf(method));
  if (refused !== undefined) return [{ ruleId: "RPC_STATES_POLICY", message: refused, at: method }];
  const policy = methodPolicyOf(method);
  return [...lintAbsence(method, policy), ...lintStreams(method, policy), ...lintRoutes(method, policy)];
}

/**
 * An absent answer is a response of which nothing is set. A field without presence would be read as an answer: false,
 * 0, "". One that has presence says "absent"; a response without fields has nothing to say it with, and nothing to hide.
 */
function lintAbsence(method: DescMethod, policy: MethodPolicy): Finding[] {
  if (!policy.absentIfUnmapped) return [];
  const why = whyNotAbsent(method);
  if (why === undefined) return [];
  const message = `${policy.name}: absent_if_unmapped, but ${why}. Make fields optional, or messages, so that they can be absent; or drop absent_if_unmapped, and callers get CELL_MAPPING_NOT_FOUND.`;
  return [{ ruleId: "RPC_ABSENT_RESPONSE", message, at: method }];
}

function whyNotAbsent({ output, proto }: DescMethod): string | undefined {
  if (proto.serverStreaming) return "a stream has no one answer that could be absent";
  const misread = output.fields.filter(isRead).map(({ name }) => name);
  if (misread.length > 0) return `${misread.join(", ")} of ${output.name} would be read as an answer`;
  if (output.fields.length === 0 || output.fields.some(hasPresence)) return undefined;
  return `${output.name} has only lists, whose emptiness is an answer too`;
}

function isRead(field: DescField): boolean {
  return !hasPresence(field) && field.fieldKind !== "list" && field.fieldKind !== "map";
}

function hasPresence(field: DescField): boolean {
  return field.presence !== FeatureSet_FieldPresence.IMPLICIT;
}

function lintStreams(method: DescMethod, policy: MethodPolicy): Finding[] {
  const own = policy.service.localMode === "CONTROL" ? Caller.CONTROL : Caller.CELL;
  const isLocal = getOption(method, methodOption).allowedCallers.every((caller) => caller === own);
  if (!method.proto.clientStreaming || isLocal) return [];
  const message = `${policy.name} streams requests, which cannot be signed between silos, nor repeated. Take one request, and page or batch; responses may be streamed.`;
  return [{ ruleId: "RPC_NO_REQUEST_STREAM", message, at: method }];
}

function lintRoutes(method: DescMethod, { name, service, resolver }: MethodPolicy): Finding[] {
  if (service.localMode !== "CELL") return [];
  const variables = ["organization_id_or_slug"];
  if (resolver?.kind.startsWith("by_organization") === true) variables.push(resolver.path);
  const carries = (path: string) =>
    variables.some((variable) => path.includes(`{${variable}}`) || path.includes(`{${variable}=`));
  return readHttpPaths(method)
    .filter((path) => !carries(path))
    .map((path) => {
      const message = `${name}: the public route ${path} does not carry the organization, so no router can find its cell. Put ${variables.map((variable) => `{${variable}}`).join(" or ")} into it.`;
      return { ruleId: "RPC_HTTP_ORGANIZATION", message, at: method };
    });
}

/** What the runtime says against it; undefined when nothing. */
function refusalOf(read: () => unknown): string | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    if (error instanceof ContractError) return error.message;
    throw error;
  }
}
