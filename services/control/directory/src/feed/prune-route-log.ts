import type { ServiceContext } from "@cellway/host";
import { pruneRouteChanges, saveSettledId } from "../store/route-log.js";
import { controlRoutesOf } from "./control-routes.js";

/** How long a change is kept: a consumer that was away for longer begins with a snapshot. */
const AGE_MAX_S = 24 * 60 * 60;
/** Changes that are kept, about; about 150 bytes each. */
const CHANGES_MAX = 1_000_000;
/** Changes that are removed at a time. */
const BATCH_MAX = 10_000;

/** Writes down how far the log is settled, so that the next start begins there, and removes what is old. */
export async function pruneRouteLog(context: ServiceContext): Promise<void> {
  const { database } = context;
  const { feed } = controlRoutesOf(context);
  await feed.catchUp();
  if (feed.position === undefined) return;
  await saveSettledId(database, feed.position.feedId, feed.position.settledId);
  const limits = { ageMaxS: AGE_MAX_S, countMax: CHANGES_MAX, limit: BATCH_MAX };
  while ((await pruneRouteChanges(database, limits)) === BATCH_MAX);
}
