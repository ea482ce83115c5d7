import { cellNumberOfSnowflake } from "@cellway/database";
import type { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { toProjectKey } from "../convert-content.js";
import { sharedCellNumber } from "../ids.js";
import { findProjectKeysInUse } from "../store/project-key.js";

/** BatchGetProjectKeys. */
export function batchGetProjectKeys(
  context: ServiceContext,
): MethodImpl<typeof OrganizationService.method.batchGetProjectKeys> {
  return async ({ cellName, publicKeys }) => {
    const cellNumber = sharedCellNumber(context, cellName);
    const found = await findProjectKeysInUse(context.database.manager, publicKeys);
    const own = found.filter(
      ({ row }) => cellNumber === undefined || cellNumberOfSnowflake(row.organizationId) === cellNumber,
    );
    return { keys: own.map(({ row, projectSlug }) => ({ key: toProjectKey(row), projectSlug })) };
  };
}
