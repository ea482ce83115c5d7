import { isForeignKeyViolation } from "@cellway/database";
import type { OrganizationService } from "@cellway/gen/cellway/organization/v1/organization";
import type { ServiceContext } from "@cellway/host";
import type { MethodImpl } from "@connectrpc/connect";
import { toProjectKey } from "../convert-content.js";
import { createProjectNotFoundError } from "../errors.js";
import { nextId } from "../ids.js";
import { createKeyHalf, hashSecretKey } from "../secret-key.js";
import { insertProjectKey } from "../store/project-key.js";
import { assertText } from "../text.js";

/** CreateProjectKey. */
export function createProjectKey(
  context: ServiceContext,
): MethodImpl<typeof OrganizationService.method.createProjectKey> {
  return async ({ organizationId, projectId, label }) => {
    const { manager } = context.database;
    assertText(label, "label");
    const secretKey = createKeyHalf();
    const key = {
      id: await nextId(context, manager, organizationId),
      organizationId,
      projectId,
      label,
      publicKey: createKeyHalf(),
      secretKeyHash: hashSecretKey(secretKey),
      createdAt: new Date(context.now()),
    };
    try {
      await insertProjectKey(manager, key);
    } catch (error) {
      if (isForeignKeyViolation(error)) throw createProjectNotFoundError(projectId, error);
      throw error;
    }
    return { key: toProjectKey(key), secretKey };
  };
}
