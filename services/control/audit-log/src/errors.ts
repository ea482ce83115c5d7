import { createRpcError } from "@cellway/rpc";
import { Code, type ConnectError } from "@connectrpc/connect";

/** PERMISSION_DENIED / ORGANIZATION_NOT_OWNED: a cell told of an organization of another. */
export function createNotOwnedError(organizationId: string, cellName: string): ConnectError {
  return createRpcError(
    Code.PermissionDenied,
    "ORGANIZATION_NOT_OWNED",
    `Organization ${organizationId} is not one of ${cellName}.`,
    { metadata: { organization_id: organizationId, cell_name: cellName } },
  );
}
