import type { JsonObject, MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type IntegrationSchema,
  IntegrationStatus,
  type OrganizationContextSchema,
  type OrganizationIntegrationSchema,
} from "@cellway/gen/cellway/integration/v1/integration";
import type { IntegrationRow, StatusName, StoredJson } from "./entities/integration.js";
import type { OrganizationIntegrationRow } from "./entities/organization-integration.js";
import { createInvalidFieldError } from "./errors.js";

/** The most bytes of a settings object, as JSON. */
const JSON_MAX_BYTES = 64 * 1024;

/** An integration as the contract has it. */
export function toIntegration(row: IntegrationRow): MessageInitShape<typeof IntegrationSchema> {
  return { id: row.id, ...toIntegrationState(row) };
}

/** The same without its id: what cells are told. */
export function toIntegrationState(row: IntegrationRow) {
  return {
    provider: row.provider,
    externalId: row.externalId,
    name: row.name,
    metadata: row.metadata as JsonObject,
    status: IntegrationStatus[row.status],
    createdAt: timestampFromDate(row.createdAt),
    updatedAt: timestampFromDate(row.updatedAt),
  };
}

/** An installation as the contract has it. */
export function toOrganizationIntegration(
  row: OrganizationIntegrationRow,
): MessageInitShape<typeof OrganizationIntegrationSchema> {
  return { id: row.id, ...toOrganizationIntegrationState(row) };
}

/** The same without its id: what the organization's cell is told. */
export function toOrganizationIntegrationState(row: OrganizationIntegrationRow) {
  return {
    organizationId: row.organizationId,
    integrationId: row.integrationId,
    config: row.config as JsonObject,
    ...(row.defaultAuthId === null ? {} : { defaultAuthId: row.defaultAuthId }),
    status: IntegrationStatus[row.status],
    ...(row.gracePeriodEnd === null ? {} : { gracePeriodEnd: timestampFromDate(row.gracePeriodEnd) }),
    createdAt: timestampFromDate(row.createdAt),
    updatedAt: timestampFromDate(row.updatedAt),
  };
}

/** An installation, read with its integration, as the contract has it. */
export function toContext(row: OrganizationIntegrationRow): MessageInitShape<typeof OrganizationContextSchema> {
  return {
    ...(row.integration === undefined ? {} : { integration: toIntegration(row.integration) }),
    organizationIntegration: toOrganizationIntegration(row),
  };
}

/** The stored name of a status. @throws INVALID_ARGUMENT for an unspecified one. */
export function toStatusName(status: IntegrationStatus): StatusName {
  if (status === IntegrationStatus.UNSPECIFIED) throw createInvalidFieldError("status", "must be set");
  return IntegrationStatus[status] as StatusName;
}

/** A settings object to store. @throws INVALID_ARGUMENT that names `field` when it is too large. */
export function toStoredJson(value: JsonObject | undefined, field: string): StoredJson {
  const json = value ?? {};
  if (Buffer.byteLength(JSON.stringify(json)) <= JSON_MAX_BYTES) return json;
  throw createInvalidFieldError(field, `must be at most ${JSON_MAX_BYTES} bytes as JSON`);
}
