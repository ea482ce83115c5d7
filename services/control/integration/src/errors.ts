import { createRpcError } from "@cellway/rpc";
import { Code, type ConnectError } from "@connectrpc/connect";

/** ALREADY_EXISTS / INTEGRATION_CONFLICT. */
export function createIntegrationConflictError(provider: string, externalId: string): ConnectError {
  return createRpcError(
    Code.AlreadyExists,
    "INTEGRATION_CONFLICT",
    `There is an integration of ${provider} with external id ${externalId} and another name or metadata.`,
    { metadata: { provider, external_id: externalId } },
  );
}

/** NOT_FOUND / INTEGRATION_NOT_FOUND. */
export function createIntegrationNotFoundError(integrationId: string, cause?: unknown): ConnectError {
  return createRpcError(Code.NotFound, "INTEGRATION_NOT_FOUND", `There is no integration ${integrationId}.`, {
    metadata: { integration_id: integrationId },
    cause,
  });
}

/** NOT_FOUND / INSTALLATION_NOT_FOUND. */
export function createInstallationNotFoundError(organizationId: string, integrationId: string): ConnectError {
  return createRpcError(
    Code.NotFound,
    "INSTALLATION_NOT_FOUND",
    `Integration ${integrationId} is not installed in organization ${organizationId}.`,
    { metadata: { organization_id: organizationId, integration_id: integrationId } },
  );
}

/** INVALID_ARGUMENT / INVALID_FIELD for what the contract cannot say. */
export function createInvalidFieldError(field: string, rule: string): ConnectError {
  return createRpcError(Code.InvalidArgument, "INVALID_FIELD", `${field}: ${rule}`, { metadata: { field } });
}
