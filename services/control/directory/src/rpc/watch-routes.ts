import { type RouteFeedService, RouteKeyKind } from "@cellway/gen/cellway/directory/v1/route_feed";
import type { ServiceContext } from "@cellway/host";
import { currentCall } from "@cellway/rpc";
import type { MethodImpl } from "@connectrpc/connect";
import { controlRoutesOf } from "../feed/control-routes.js";
import { watchFeed } from "../feed/watch.js";
import type { KeyKind } from "../store/route.js";

/** Shares of its time after which a stream ends in order: not all at once, and well before its deadline. */
const LIFETIME_SHARE = { min: 0.7, max: 0.9 };

/** WatchRoutes. */
export function watchRoutes(context: ServiceContext): MethodImpl<typeof RouteFeedService.method.watchRoutes> {
  const { feed } = controlRoutesOf(context);
  const { database, metrics } = context;
  return ({ localities, keys, cursor }, handler) => {
    const nowMs = Date.now();
    const share = LIFETIME_SHARE.min + Math.random() * (LIFETIME_SHARE.max - LIFETIME_SHARE.min);
    const endAtMs = nowMs + ((currentCall()?.deadlineAtMs ?? Number.POSITIVE_INFINITY) - nowMs) * share;
    const watched = { localities, keys: readKinds(keys) };
    return watchFeed({ feed, database, metrics, watched, cursor, signal: handler.signal, endAtMs });
  };
}

/** Kinds that this version does not have are passed over, and are not in its cursors either. */
function readKinds(wanted: readonly RouteKeyKind[]): ReadonlySet<KeyKind> {
  const kinds = new Set<KeyKind>();
  if (wanted.includes(RouteKeyKind.SLUG_ALIAS)) kinds.add("slug_alias");
  if (wanted.includes(RouteKeyKind.PROJECT_KEY)) kinds.add("project_key");
  return kinds;
}
