import { durationMs } from "@bufbuild/protobuf/wkt";
import type { IntegrationService } from "@cellway/gen/cellway/integration/v1/integration";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { toOrganizationIntegration } from "../convert.js";
import { startGracePeriods } from "../store/organization-integration.js";

/** When the caller does not say. */
const GRACE_PERIOD_DEFAULT_MS = 7 * 24 * 60 * 60 * 1_000;

/** StartGracePeriod. */
export function startGracePeriod(
  context: ServiceContext,
): MethodImpl<typeof IntegrationService.method.startGracePeriod> {
  return async ({ organizationIds, provider, gracePeriod, skipOldest }) => {
    const periodMs = gracePeriod === undefined ? GRACE_PERIOD_DEFAULT_MS : durationMs(gracePeriod);
    const end = new Date(context.now() + periodMs);
    const rows = await startGracePeriods(context.database, { organizationIds, provider, end, skipOldest });
    return { organizationIntegrations: rows.map(toOrganizationIntegration) };
  };
}
