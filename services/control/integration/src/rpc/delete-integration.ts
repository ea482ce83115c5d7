import type { IntegrationService } from "@cellway/gen/cellway/integration/v1/integration";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { deleteIntegration as removeIntegration } from "../store/integration.js";

/** DeleteIntegration. */
export function deleteIntegration(
  context: ServiceContext,
): MethodImpl<typeof IntegrationService.method.deleteIntegration> {
  return (req) => removeIntegration(context.database, req.integrationId);
}
