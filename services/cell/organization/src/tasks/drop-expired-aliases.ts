import type { TaskDefinition } from "@cellway/host";
import { dropExpiredAliases } from "../store/organization-slug-alias.js";

/** Gives up old slugs whose time has come. */
export const dropExpiredSlugAliases: TaskDefinition = {
  name: "organization.drop-expired-aliases",
  localMode: "CELL",
  intervalMs: 60_000,
  run: (context) => dropExpiredAliases(context.database.manager, new Date(context.now())),
};
