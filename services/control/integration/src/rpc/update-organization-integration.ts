import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { IntegrationService } from "@cellway/gen/cellway/integration/v1/integration";
import type { ServiceContext } from "@cellway/host";
import { readUpdateMask } from "@cellway/rpc";
import type { MethodImpl } from "@connectrpc/connect";
import { toOrganizationIntegration, toStatusName, toStoredJson } from "../convert.js";
import { createInstallationNotFoundError } from "../errors.js";
import { updateInstallation } from "../store/organization-integration.js";

/** UpdateOrganizationIntegration. */
export function updateOrganizationIntegration(
  context: ServiceContext,
): MethodImpl<typeof IntegrationService.method.updateOrganizationIntegration> {
  return async (req) => {
    const mask = readUpdateMask(req.updateMask, ["config", "status", "grace_period_end"]);
    const { organizationId, integrationId, gracePeriodEnd } = req;
    const row = await updateInstallation(
      context.database,
      { organizationId, integrationId },
      {
        ...(mask.has("config") ? { config: toStoredJson(req.config, "config") } : {}),
        ...(mask.has("status") ? { status: toStatusName(req.status) } : {}),
        ...(mask.has("grace_period_end")
          ? { gracePeriodEnd: gracePeriodEnd === undefined ? null : timestampDate(gracePeriodEnd) }
          : {}),
      },
    );
    if (row === null) throw createInstallationNotFoundError(organizationId, integrationId);
    return { organizationIntegration: toOrganizationIntegration(row) };
  };
}
