import { fromJson } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import type { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { findOption } from "../store/organization-option.js";

/** GetOrganizationOption. */
export function getOrganizationOption(
  context: ServiceContext,
): MethodImpl<typeof OrganizationService.method.getOrganizationOption> {
  return async ({ organizationId, key }) => {
    const option = await findOption(context.database.manager, organizationId, key);
    return option === undefined ? {} : { value: fromJson(ValueSchema, option.value) };
  };
}
