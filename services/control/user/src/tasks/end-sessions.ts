import type { ServiceContext, TaskDefinition } from "@cellway/host";
import { deleteEndedSessions } from "../store/session.js";

/** The most statements of one run; what is left waits for the next. */
const BATCHES_MAX = 50;

/** Deletes sessions whose time is over, in control and so in cells. */
export const endSessions: TaskDefinition = {
  name: "user.end-sessions",
  localMode: "CONTROL",
  intervalMs: 60_000,
  run: endAll,
};

async function endAll({ database, now }: ServiceContext): Promise<void> {
  for (let batches = 0; batches < BATCHES_MAX; batches += 1) {
    if ((await deleteEndedSessions(database, new Date(now()))).isDone) return;
  }
}
