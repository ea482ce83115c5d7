import type { ServiceContext, TaskDefinition } from "@cellway/host";
import { lockForPurge, purgeOrganization } from "../purge-organization.js";
import { findPurgeable, PURGE_BATCH_MAX } from "../store/organization.js";

/** Purges organizations whose time has come. One that cannot be purged does not keep the others from it. */
export const purgeDeleted: TaskDefinition = {
  name: "organization.purge-deleted",
  localMode: "CELL",
  intervalMs: 60_000,
  run: async (context) => {
    const failed = new Map<string, unknown>();
    for (;;) {
      const batch = await findPurgeable(context.database.manager, new Date(context.now()), [...failed.keys()]);
      for (const organizationId of batch) {
        await purgeIfDue(context, organizationId).catch((error: unknown) => failed.set(organizationId, error));
      }
      if (batch.length < PURGE_BATCH_MAX || failed.size >= PURGE_BATCH_MAX) break;
    }
    if (failed.size > 0)
      throw new AggregateError(failed.values(), `Organizations could not be purged: ${[...failed.keys()].join(", ")}.`);
  },
};

function purgeIfDue(context: ServiceContext, organizationId: string): Promise<void> {
  const now = new Date(context.now());
  return context.database.transaction(async (manager) => {
    const organization = await lockForPurge(manager, organizationId);
    // Another process was faster, or the deletion was taken back.
    if (organization === null || organization.purgeAt === null || organization.purgeAt > now) return;
    await purgeOrganization(manager, organization, now);
    context.logger.info({ organization_id: organizationId }, "purged an organization");
  });
}
