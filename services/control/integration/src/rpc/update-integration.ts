import type { IntegrationService } from "@cellway/gen/cellway/integration/v1/integration";
import type { ServiceContext } from "@cellway/host";
import { readUpdateMask } from "@cellway/rpc";
import type { MethodImpl } from "@connectrpc/connect";
import { toIntegration, toStatusName, toStoredJson } from "../convert.js";
import { createIntegrationNotFoundError, createInvalidFieldError } from "../errors.js";
import { updateIntegration as changeIntegration } from "../store/integration.js";

/** UpdateIntegration. */
export function updateIntegration(
  context: ServiceContext,
): MethodImpl<typeof IntegrationService.method.updateIntegration> {
  return async (req) => {
    const mask = readUpdateMask(req.updateMask, ["name", "metadata", "status"]);
    if (mask.has("name") && req.name === "") throw createInvalidFieldError("name", "must not be empty");
    const row = await changeIntegration(context.database, req.integrationId, {
      ...(mask.has("name") ? { name: req.name } : {}),
      ...(mask.has("metadata") ? { metadata: toStoredJson(req.metadata, "metadata") } : {}),
      ...(mask.has("status") ? { status: toStatusName(req.status) } : {}),
    });
    if (row === null) throw createIntegrationNotFoundError(req.integrationId);
    return { integration: toIntegration(row) };
  };
}
