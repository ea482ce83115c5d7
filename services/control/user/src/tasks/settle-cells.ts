import type { ServiceContext, TaskDefinition } from "@cellway/host";
import { settleUserCells, USER_CELLS_MAX } from "../store/user-cell.js";

/** The most transactions of one run; what is left waits for the next. */
const BATCHES_MAX = 50;

/** Tells cells of users that came with an organization, and to forget those that are members there no more. */
export const settleCells: TaskDefinition = {
  name: "user.settle-cells",
  localMode: "CONTROL",
  intervalMs: 5_000,
  run: settleAll,
};

async function settleAll(context: ServiceContext): Promise<void> {
  for (let batches = 0; batches < BATCHES_MAX; batches += 1) {
    if ((await settleUserCells(context.database)) < USER_CELLS_MAX) return;
  }
}
