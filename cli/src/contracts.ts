import { createRegistry, type DescMethod, type DescMethodUnary, type DescService } from "@bufbuild/protobuf";
import { AuditLogService } from "@cellway/gen/cellway/audit/v1/audit_log";
import { UserIpService } from "@cellway/gen/cellway/audit/v1/user_ip";
import { CellPeerService, ControlPeerService } from "@cellway/gen/cellway/contract/v1/peer";
import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { RouteFeedService } from "@cellway/gen/cellway/directory/v1/route_feed";
import { CellFleetService, ControlFleetService } from "@cellway/gen/cellway/fleet/v1/fleet";
import { IntegrationService } from "@cellway/gen/cellway/integration/v1/integration";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { CellOutboxService, ControlOutboxService } from "@cellway/gen/cellway/outbox/v1/operator";
import { CellInboxService, ControlInboxService } from "@cellway/gen/cellway/outbox/v1/outbox";
import { ReplicaService } from "@cellway/gen/cellway/replica/v1/replica";
import { SessionService } from "@cellway/gen/cellway/user/v1/session";
import { UserService } from "@cellway/gen/cellway/user/v1/user";
import { servicePolicyOf } from "@cellway/rpc";
import { currentNameOf } from "@cellway/silo";
import { UsageError } from "./errors.js";

/** The contracts of the product. The command line calls these by name. */
export const CONTRACTS: readonly DescService[] = [
  OrganizationService,
  UserService,
  SessionService,
  IntegrationService,
  DirectoryService,
];

/** Everything that silos serve, what they serve each other and operators included: what of it is deprecated is counted. */
export const SERVED_CONTRACTS: readonly DescService[] = [
  ...CONTRACTS,
  AuditLogService,
  UserIpService,
  RouteFeedService,
  ReplicaService,
  ControlInboxService,
  CellInboxService,
  ControlOutboxService,
  CellOutboxService,
  ControlFleetService,
  CellFleetService,
  ControlPeerService,
  CellPeerService,
];

/** The types of all contracts, for JSON that holds a google.protobuf.Any. */
export const REGISTRY = createRegistry(...CONTRACTS);

/**
 * Finds `organization.GetOrganization`: the service by its key, an old one too, or its full name, the method as the contract writes it
 * or with a small first letter.
 *
 * @throws UsageError that lists what there is.
 */
export function findMethod(name: string, contracts: readonly DescService[]): DescMethod {
  const dot = name.lastIndexOf(".");
  const [serviceName, methodName] = [name.slice(0, Math.max(dot, 0)), name.slice(dot + 1)];
  const key = currentNameOf("RPC_KEY", serviceName);
  const service = contracts.find(
    (contract) => servicePolicyOf(contract).key === key || contract.typeName === serviceName,
  );
  if (service === undefined) {
    const keys = contracts.map((contract) => servicePolicyOf(contract).key);
    throw new UsageError(
      `${name}: there is no service "${serviceName}"; write SERVICE.METHOD with one of ${keys.join(", ")}.`,
    );
  }
  const wanted = methodName.charAt(0).toUpperCase() + methodName.slice(1);
  const method = service.methods.find((candidate) => candidate.name === wanted);
  if (method === undefined) {
    const names = service.methods.map((candidate) => candidate.name);
    throw new UsageError(
      `${name}: ${servicePolicyOf(service).key} has no method "${methodName}"; it has ${names.join(", ")}.`,
    );
  }
  return method;
}

/** @throws UsageError when the method streams. */
export function assertUnary(method: DescMethod): asserts method is DescMethodUnary {
  if (method.methodKind === "unary") return;
  throw new UsageError(
    `${servicePolicyOf(method.parent).key}.${method.name} streams; call it with buf curl and a header from: cellway token`,
  );
}
