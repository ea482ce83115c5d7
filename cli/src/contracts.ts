import { createRegistry, type DescMethod, type DescMethodUnary, type DescService } from "@bufbuild/protobuf";
import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { IntegrationService } from "@cellway/gen/cellway/integration/v1/integration";
import { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import { UserService } from "@cellway/gen/cellway/user/v1/user";
import { servicePolicyOf } from "@cellway/rpc";
import { UsageError } from "./errors.js";

/** Every contract of the fleet. The command line calls these, and knows no others. */
export const CONTRACTS: readonly DescService[] = [
  OrganizationService,
  UserService,
  IntegrationService,
  DirectoryService,
];

/** The types of all contracts, for JSON that holds a google.protobuf.Any. */
export const REGISTRY = createRegistry(...CONTRACTS);

/**
 * Finds `organization.GetOrganization`: the service by its key or its full name, the method as the contract writes it
 * or with a small first letter.
 *
 * @throws UsageError that lists what there is.
 */
export function findMethod(name: string, contracts: readonly DescService[]): DescMethod {
  const dot = name.lastIndexOf(".");
  const [serviceName, methodName] = [name.slice(0, Math.max(dot, 0)), name.slice(dot + 1)];
  const service = contracts.find(
    (contract) => servicePolicyOf(contract).key === serviceName || contract.typeName === serviceName,
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
