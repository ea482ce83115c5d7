import {
  type DescField,
  type DescMessage,
  type DescMethod,
  type DescService,
  getOption,
  hasOption,
} from "@bufbuild/protobuf";
import { durationMs, MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import {
  Caller,
  method as methodOption,
  SiloMode,
  service as serviceOption,
} from "@cellway/gen/cellway/contract/v1/options";
import type { LocalMode } from "@cellway/silo";

/** How long a call may take when its contract says nothing. */
export const DEFAULT_TIMEOUT_MS = 5_000;

/** Who calls: a silo, by its kind, or a process at the edge. A monolith calls as control. */
export type CallerKind = "CONTROL" | "CELL" | "EDGE";

/** The ways to find the cell of a call. */
export type ResolverKind =
  | "by_organization_slug"
  | "by_organization_id"
  | "by_cell_name"
  | "by_organization_id_attribute"
  | "single_organization";

/** How a call's cell is found, with the request fields that lead to the key. */
export interface ResolverPolicy {
  readonly kind: ResolverKind;
  /** The field's path as the contract writes it; empty for `single_organization`. */
  readonly path: string;
  /** The key in a request message: an id, a slug or a name. Empty when unset. */
  readonly read: (message: object) => string;
}

/** Everything the runtime knows of a service, read from its contract. */
export interface ServicePolicy {
  /** `organization`. */
  readonly key: string;
  readonly localMode: LocalMode;
}

/** Everything the runtime knows of a method, read from its contract. */
export interface MethodPolicy {
  /** `organization.GetOrganization`: its name in logs, metrics, settings and on the command line. */
  readonly name: string;
  /** `/cellway.organization.v1.OrganizationService/GetOrganization`. */
  readonly path: string;
  readonly service: ServicePolicy;
  /** Set for cell methods. */
  readonly resolver: ResolverPolicy | undefined;
  readonly absentIfUnmapped: boolean;
  readonly allowedCallers: ReadonlySet<CallerKind>;
  readonly timeoutMs: number;
  /** Whether a call that may have reached the peer can be repeated. */
  readonly repeatable: boolean;
  /** The organization ids in a request that must live in the calling cell. */
  readonly readOwnedOrganizations: ((message: object) => readonly string[]) | undefined;
}

/** A contract that cannot be served or called: an option is missing or names what does not exist. A programming error. */
export class ContractError extends Error {
  override readonly name = "ContractError";
}

const services = new WeakMap<DescService, ServicePolicy>();
const methods = new WeakMap<DescMethod, MethodPolicy>();

/** @throws ContractError when the service does not state its key or local mode. */
export function servicePolicyOf(service: DescService): ServicePolicy {
  const known = services.get(service);
  if (known !== undefined) return known;
  if (!hasOption(service, serviceOption)) {
    throw new ContractError(
      `${service.typeName} has no option (cellway.contract.v1.service); state its key and local_mode.`,
    );
  }
  const option = getOption(service, serviceOption);
  if (option.key === "" || option.localMode === SiloMode.UNSPECIFIED) {
    throw new ContractError(`${service.typeName}: (cellway.contract.v1.service) must state key and local_mode.`);
  }
  const policy: ServicePolicy = {
    key: option.key,
    localMode: option.localMode === SiloMode.CONTROL ? "CONTROL" : "CELL",
  };
  services.set(service, policy);
  return policy;
}

/** @throws ContractError when the method's options contradict its service or name a field that does not fit. */
export function methodPolicyOf(method: DescMethod): MethodPolicy {
  const known = methods.get(method);
  if (known !== undefined) return known;
  const policy = readMethodPolicy(method);
  methods.set(method, policy);
  return policy;
}

function readMethodPolicy(method: DescMethod): MethodPolicy {
  const service = servicePolicyOf(method.parent);
  const name = `${service.key}.${method.name}`;
  const option = getOption(method, methodOption);
  const resolver = readResolver(method, name);
  if (service.localMode === "CELL" && resolver === undefined) {
    throw new ContractError(`${name}: a method of a cell service must state how its cell is resolved.`);
  }
  if (service.localMode === "CONTROL" && resolver !== undefined) {
    throw new ContractError(`${name}: a method of a control service needs no resolver; control is one silo.`);
  }
  if (service.localMode === "CONTROL" && option.absentIfUnmapped) {
    throw new ContractError(`${name}: absent_if_unmapped is for cell methods; a control method maps nothing.`);
  }
  if (service.localMode === "CELL" && option.callerOwnsOrganization !== "") {
    throw new ContractError(
      `${name}: caller_owns_organization is for control methods; a cell has only its own organizations.`,
    );
  }
  if (service.localMode === "CELL" && option.allowedCallers.includes(Caller.EDGE)) {
    throw new ContractError(`${name}: CALLER_EDGE is for control methods; an edge holds no key of a cell.`);
  }
  if (option.localOnly && option.allowedCallers.length > 0) {
    throw new ContractError(`${name}: local_only and allowed_callers contradict each other; state one of them.`);
  }
  return {
    name,
    path: `/${method.parent.typeName}/${method.name}`,
    service,
    resolver,
    absentIfUnmapped: option.absentIfUnmapped,
    allowedCallers: new Set(option.allowedCallers.map((caller) => toCallerKind(caller, name))),
    timeoutMs: option.timeout === undefined ? DEFAULT_TIMEOUT_MS : toTimeoutMs(durationMs(option.timeout), name),
    repeatable:
      method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS ||
      method.idempotency === MethodOptions_IdempotencyLevel.IDEMPOTENT,
    readOwnedOrganizations:
      option.callerOwnsOrganization === "" ? undefined : createIdsReader(method, name, option.callerOwnsOrganization),
  };
}

function toCallerKind(caller: Caller, name: string): CallerKind {
  if (caller === Caller.CONTROL) return "CONTROL";
  if (caller === Caller.CELL) return "CELL";
  if (caller === Caller.EDGE) return "EDGE";
  throw new ContractError(`${name}: allowed_callers holds ${Caller[caller] ?? caller}, which is nobody.`);
}

function toTimeoutMs(timeoutMs: number, name: string): number {
  if (timeoutMs > 0) return timeoutMs;
  throw new ContractError(`${name}: timeout must be greater than 0.`);
}

function readResolver(method: DescMethod, name: string): ResolverPolicy | undefined {
  const by = getOption(method, methodOption).resolve?.by;
  if (by?.case === undefined) return undefined;
  switch (by.case) {
    case "singleOrganization":
      if (!by.value) throw new ContractError(`${name}: single_organization: false says nothing; name a resolver.`);
      return { kind: "single_organization", path: "", read: () => "" };
    case "byOrganizationSlug":
      return createResolver(method, name, { kind: "by_organization_slug", path: by.value, type: "string" });
    case "byCellName":
      return createResolver(method, name, { kind: "by_cell_name", path: by.value, type: "string" });
    case "byOrganizationId":
      return createResolver(method, name, { kind: "by_organization_id", path: by.value, type: "id" });
    case "byOrganizationIdAttribute":
      if (!by.value.includes("."))
        throw new ContractError(
          `${name}: by_organization_id_attribute takes a path; for a field use by_organization_id.`,
        );
      return createResolver(method, name, { kind: "by_organization_id_attribute", path: by.value, type: "id" });
  }
}

function createResolver(
  method: DescMethod,
  name: string,
  { kind, path, type }: { kind: ResolverKind; path: string; type: "string" | "id" },
): ResolverPolicy {
  const fields = findFields(method.input, name, path);
  const last = fields[fields.length - 1];
  if (
    last?.fieldKind !== "scalar" ||
    (type === "string" ? last.scalar !== SCALAR_STRING : !ID_SCALARS.has(last.scalar))
  ) {
    throw new ContractError(
      `${name}: ${kind} names ${path}, which is not a ${type === "string" ? "string" : "64-bit"} field.`,
    );
  }
  const names = fields.map((field) => field.localName);
  return { kind, path, read: (message) => readKey(message, names) };
}

const SCALAR_STRING = 9;
/** int64, uint64, fixed64, sfixed64, sint64. */
const ID_SCALARS: ReadonlySet<number> = new Set([3, 4, 6, 16, 18]);

function createIdsReader(method: DescMethod, name: string, path: string): (message: object) => readonly string[] {
  const fields = findFields(method.input, name, path);
  const last = fields[fields.length - 1];
  const scalar = last?.fieldKind === "scalar" || last?.fieldKind === "list" ? last.scalar : undefined;
  if (scalar === undefined || !ID_SCALARS.has(scalar)) {
    throw new ContractError(`${name}: caller_owns_organization names ${path}, which holds no 64-bit ids.`);
  }
  const names = fields.map((field) => field.localName);
  if (last?.fieldKind === "list") {
    return (message) => ((readPath(message, names) as readonly unknown[] | undefined) ?? []).map(String);
  }
  return (message) => {
    const id = readKey(message, names);
    return id === "" ? [] : [id];
  };
}

function findFields(message: DescMessage, name: string, path: string): DescField[] {
  const fields: DescField[] = [];
  let at: DescMessage | undefined = message;
  for (const part of path.split(".")) {
    const field: DescField | undefined = at?.fields.find((candidate) => candidate.name === part);
    if (field === undefined) {
      throw new ContractError(
        `${name}: the path ${path} leads through ${part}, which is not a field of ${at?.typeName ?? "a message"}.`,
      );
    }
    fields.push(field);
    at = field.fieldKind === "message" ? field.message : undefined;
  }
  return fields;
}

/** Reads along `names`; a member of a oneof is found in its group. */
function readPath(message: object, names: readonly string[]): unknown {
  let at: unknown = message;
  for (const name of names) {
    if (typeof at !== "object" || at === null) return undefined;
    at = name in at ? (at as Record<string, unknown>)[name] : readOneof(at, name);
  }
  return at;
}

function readOneof(message: object, name: string): unknown {
  for (const group of Object.values(message)) {
    if (typeof group === "object" && group !== null && "case" in group && group.case === name) {
      return (group as { value?: unknown }).value;
    }
  }
  return undefined;
}

function readKey(message: object, names: readonly string[]): string {
  const value = readPath(message, names);
  const key = typeof value === "bigint" ? value.toString() : value;
  return typeof key === "string" && key !== "0" ? key : "";
}
