import type { ServiceContext, TaskDefinition } from "@cellway/host";
import { finishDeletion } from "../deletion.js";
import { takeDeletions } from "../store/user-deletion.js";

/** The most deletions that one run works on. */
const DELETIONS_MAX = 100;
/** A deletion that was attempted more recently is left to whoever attempts it: longer than a call of DeleteUser may take. */
const UNTOUCHED_FOR_MS = 45_000;

/** Completes deletions of users that a cell held up. One that fails again waits for the next run. */
export const finishDeletions: TaskDefinition = {
  name: "user.finish-deletions",
  localMode: "CONTROL",
  intervalMs: 60_000,
  run: finishPendingDeletions,
};

async function finishPendingDeletions(context: ServiceContext): Promise<void> {
  const nowMs = context.now();
  const deletions = await takeDeletions(context.database, {
    limit: DELETIONS_MAX,
    before: new Date(nowMs - UNTOUCHED_FOR_MS),
    now: new Date(nowMs),
  });
  for (const deletion of deletions) {
    try {
      await finishDeletion(context, deletion);
      context.logger.info({ user_id: deletion.userId }, "a pending deletion of a user is complete");
    } catch (error) {
      context.logger.warn(
        { user_id: deletion.userId, err: error },
        "a pending deletion of a user could not be completed",
      );
    }
  }
}
