import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { WatchRoutesResponseSchema } from "@cellway/gen/cellway/directory/v1/route_feed";
import type { CellRouteRow, RouteRow } from "../store/route.js";
import type { RouteChange } from "../store/route-log.js";

/** A message of the feed. */
export type FeedMessage = MessageInitShape<typeof WatchRoutesResponseSchema>;

/** What a consumer watches; undefined for everything. */
export type LocalityFilter = ReadonlySet<string> | undefined;

export function createSnapshotBegin(reason: string, feedId: string): FeedMessage {
  return { event: { case: "snapshotBegin", value: { reason, feedId } } };
}

export function createSnapshotEnd(completeUntilMs: number, cursor: string): FeedMessage {
  return { event: { case: "snapshotEnd", value: { completeUntil: timestampFromMs(completeUntilMs) } }, cursor };
}

export function createHeartbeat(completeUntilMs: number, cursor: string): FeedMessage {
  return { event: { case: "heartbeat", value: { completeUntil: timestampFromMs(completeUntilMs) } }, cursor };
}

/** Cells as a page of a snapshot. */
export function createCellPage(rows: readonly CellRouteRow[]): FeedMessage {
  const cells = rows.map(({ name, locality, rpc_address: rpcAddress, route_epoch: epoch }) => {
    return { name, locality, rpcAddress, epoch };
  });
  return { event: { case: "routes", value: { cells, isSnapshot: true } } };
}

/** Routes as a page of a snapshot. */
export function createRoutePage(rows: readonly RouteRow[]): FeedMessage {
  const routes = rows.map(({ organization_id: organizationId, slug, cell_name: cellName, route_epoch: epoch }) => {
    return { key: { case: "organization" as const, value: { organizationId, slug } }, cellName, epoch };
  });
  return { event: { case: "routes", value: { routes, isSnapshot: true } } };
}

/** Those of the changes that a consumer must know of; undefined when there are none. */
export function createChanges(
  changes: readonly RouteChange[],
  filter: LocalityFilter,
  cursor: string,
): FeedMessage | undefined {
  const cells = changes.filter(({ kind }) => kind === "cell").map(toCellRoute);
  const routes = changes
    .filter((change) => isOrganizationSeen(change, filter))
    .map((change) => toRoute(change, filter));
  if (cells.length === 0 && routes.length === 0) return undefined;
  return { event: { case: "routes", value: { cells, routes } }, cursor };
}

/** Whether a cell has come into the watched localities, or left them, with all that lives in it. */
export function isCellMoved({ kind, locality, old_locality: old, is_deleted }: RouteChange, filter: LocalityFilter) {
  if (kind !== "cell" || filter === undefined || old === null || is_deleted) return false;
  return filter.has(old) !== filter.has(locality ?? "");
}

function isOrganizationSeen({ kind, locality, old_locality: old }: RouteChange, filter: LocalityFilter): boolean {
  if (kind !== "organization") return false;
  return filter === undefined || filter.has(locality ?? "") || filter.has(old ?? "");
}

/** One that has left the watched localities is gone. */
function toRoute(change: RouteChange, filter: LocalityFilter) {
  const isHere = !change.is_deleted && (filter === undefined || filter.has(change.locality ?? ""));
  const organizationId = change.organization_id ?? "0";
  const slug = isHere ? (change.slug ?? "") : "";
  return {
    key: { case: "organization" as const, value: { organizationId, slug } },
    cellName: isHere ? change.cell_name : "",
    epoch: change.id,
    isDeleted: !isHere,
  };
}

function toCellRoute({ cell_name: name, locality, rpc_address, id: epoch, is_deleted: isDeleted }: RouteChange) {
  return { name, locality: locality ?? "", rpcAddress: rpc_address ?? "", epoch, isDeleted };
}
