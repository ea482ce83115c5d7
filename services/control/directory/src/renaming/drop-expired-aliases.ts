import type { ServiceContext } from "@cellway/host";
import { dropAlias, findExpiredAliases, lockMapping } from "../store/organization-rename.js";

/** Aliases that one run gives up. */
const ALIASES_MAX = 1_000;

/** Gives up the old slugs whose time has come: they lead nowhere, and others may take them. */
export async function dropExpiredAliases(context: ServiceContext): Promise<void> {
  const { database } = context;
  const now = new Date(context.now());
  for (const alias of await findExpiredAliases(database.manager, now, ALIASES_MAX)) {
    await database.transaction(async (manager) => {
      await lockMapping(manager, alias.organizationId);
      await dropAlias(manager, alias, now);
    });
  }
}
