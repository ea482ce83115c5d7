import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { RouteFeedService, RouteKeyKind } from "@cellway/gen/cellway/directory/v1/route_feed";
import type { RpcRuntime } from "@cellway/rpc";
import type { Logger } from "@cellway/telemetry";
import { type DiskCopyKeeper, type DiskCopyOptions, keepDiskCopy, loadDiskCopy } from "./disk/disk-copy.js";
import { type Following, type FollowOptions, followRoutes } from "./follow-routes.js";
import { Locator, type LocatorOptions } from "./locator.js";
import { reportLocator } from "./report-locator.js";
import { createRemoteDirectory } from "./route-directory.js";

/** By what a locator routes besides organizations. */
const KEYS = [RouteKeyKind.SLUG_ALIAS, RouteKeyKind.PROJECT_KEY];

/** What a locator outside of control is made of. */
export interface StartLocatorOptions
  extends Omit<LocatorOptions, "directory">,
    Pick<FollowOptions, "silenceMaxMs" | "pauseMs" | "pauseMaxMs"> {
  /** Reaches control. */
  readonly rpc: Pick<RpcRuntime, "client">;
  readonly logger: Logger;
  /** Default: nothing is kept on disk. */
  readonly disk?: DiskCopyOptions;
}

/** A locator that follows the feed. */
export interface RunningLocator {
  readonly locator: Locator;
  readonly following: Following;
  stop(): Promise<void>;
}

/**
 * Starts a locator: from the copy on disk when there is a good one, and from control's feed as soon as that answers. It is
 * there at once, and asks control for what it does not know yet; `following.whenComplete` tells when it knows everything.
 */
export async function startLocator(options: StartLocatorOptions): Promise<RunningLocator> {
  const { rpc, metrics, logger, disk, now = Date.now } = options;
  const localities = (options.localities ?? []).toSorted();
  const locator = new Locator({
    ...options,
    localities,
    directory: createRemoteDirectory(rpc.client(DirectoryService)),
  });
  const { memory } = locator;
  let keeper: DiskCopyKeeper | undefined;
  if (disk !== undefined) await loadDiskCopy({ ...disk, memory, localities, logger, metrics });
  const feed = rpc.client(RouteFeedService);
  const watch: FollowOptions["watch"] = (request, { signal }) =>
    feed.watchRoutes({ ...request, keys: KEYS }, { signal });
  const following = followRoutes({ ...options, memory, localities, watch });
  if (disk !== undefined) keeper = keepDiskCopy({ ...disk, memory, localities, logger, metrics });
  const reporting = reportLocator({ memory, metrics, now, diskCompleteUntilMs: () => keeper?.completeUntilMs });
  return {
    locator,
    following,
    async stop() {
      reporting.stop();
      await Promise.all([following.stop(), keeper?.stop()]);
    },
  };
}
