import { create } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { isForeignKeyViolation } from "@cellway/database";
import type { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { createOrganizationNotFoundError } from "../errors.js";
import { formatOption } from "../option-value.js";
import { writeOption } from "../store/organization-option.js";

/** SetOrganizationOption. */
export function setOrganizationOption(
  context: ServiceContext,
): MethodImpl<typeof OrganizationService.method.setOrganizationOption> {
  return async ({ organizationId, key, value }) => {
    const json = formatOption(value ?? create(ValueSchema));
    try {
      await writeOption(context.database.manager, { organizationId, key, json, updatedAt: new Date(context.now()) });
    } catch (error) {
      if (isForeignKeyViolation(error)) throw createOrganizationNotFoundError(organizationId);
      throw error;
    }
    return {};
  };
}
