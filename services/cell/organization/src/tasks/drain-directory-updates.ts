import type { TaskDefinition } from "@cellway/host";
import { directoryUpdatesOf } from "../directory-updates.js";

/** Tells the directory what calls could not tell it at once. */
export const drainDirectoryUpdates: TaskDefinition = {
  name: "organization.drain-directory-updates",
  localMode: "CELL",
  intervalMs: 1_000,
  run: (context) => directoryUpdatesOf(context).drain(),
};
