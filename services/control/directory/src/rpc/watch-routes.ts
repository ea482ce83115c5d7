import type { RouteFeedService } from "@cellway/gen/cellway/directory/v1/route_feed";
import type { ServiceContext } from "@cellway/host";
import { currentCall } from "@cellway/rpc";
import type { MethodImpl } from "@connectrpc/connect";
import { controlRoutesOf } from "../feed/control-routes.js";
import { watchFeed } from "../feed/watch.js";

/** Shares of its time after which a stream ends in order: not all at once, and well before its deadline. */
const LIFETIME_SHARE = { min: 0.7, max: 0.9 };

/** WatchRoutes. */
export function watchRoutes(context: ServiceContext): MethodImpl<typeof RouteFeedService.method.watchRoutes> {
  const { feed } = controlRoutesOf(context);
  const { database, metrics } = context;
  return ({ localities, cursor }, handler) => {
    const nowMs = Date.now();
    const share = LIFETIME_SHARE.min + Math.random() * (LIFETIME_SHARE.max - LIFETIME_SHARE.min);
    const endAtMs = nowMs + ((currentCall()?.deadlineAtMs ?? Number.POSITIVE_INFINITY) - nowMs) * share;
    return watchFeed({ feed, database, metrics, localities, cursor, signal: handler.signal, endAtMs });
  };
}
