import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { WatchRoutesResponseSchema } from "@cellway/gen/cellway/directory/v1/route_feed";
import type { CellRouteRow, KeyKind, KeyRouteRow, RouteRow } from "../store/route.js";
import type { RouteChange } from "../store/route-log.js";

/** A message of the feed. */
export type FeedMessage = MessageInitShape<typeof WatchRoutesResponseSchema>;

/** What a consumer watches. */
export interface RouteFilter {
  /** Undefined for all. */
  readonly localities: ReadonlySet<string> | undefined;
  /** Besides organizations and cells. */
  readonly keys: ReadonlySet<KeyKind>;
}

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
  const cells = rows.map(
    ({ name, locality, rpc_address: rpcAddress, http_address, ingest_address, route_epoch: epoch }) => {
      return {
        name,
        locality,
        rpcAddress,
        httpAddress: http_address ?? "",
        ingestAddress: ingest_address ?? "",
        epoch,
      };
    },
  );
  return { event: { case: "routes", value: { cells, isSnapshot: true } } };
}

/** Routes as a page of a snapshot. */
export function createRoutePage(rows: readonly RouteRow[]): FeedMessage {
  const routes = rows.map(({ organization_id: organizationId, slug, cell_name: cellName, route_epoch: epoch }) => {
    return { key: { case: "organization" as const, value: { organizationId, slug } }, cellName, epoch };
  });
  return { event: { case: "routes", value: { routes, isSnapshot: true } } };
}

/** Routes of slug aliases or project keys as a page of a snapshot. */
export function createKeyPage(rows: readonly KeyRouteRow[]): FeedMessage {
  const routes = rows.map(({ kind, value, organization_id: organizationId, route_epoch: epoch }) => {
    return { key: toKey(kind, value, organizationId), epoch };
  });
  return { event: { case: "routes", value: { routes, isSnapshot: true } } };
}

/** Those of the changes that a consumer must know of; undefined when there are none. */
export function createChanges(
  changes: readonly RouteChange[],
  filter: RouteFilter,
  cursor: string,
): FeedMessage | undefined {
  const cells = changes.filter(({ kind }) => kind === "cell").map(toCellRoute);
  const routes = changes.filter((change) => isRouteSeen(change, filter)).map((change) => toRoute(change, filter));
  if (cells.length === 0 && routes.length === 0) return undefined;
  return { event: { case: "routes", value: { cells, routes } }, cursor };
}

/** Whether a cell has come into the watched localities, or left them, with all that lives in it. */
export function isCellMoved(change: RouteChange, { localities }: RouteFilter): boolean {
  const { kind, locality, old_locality: old, is_deleted: isDeleted } = change;
  if (kind !== "cell" || localities === undefined || old === null || isDeleted) return false;
  return localities.has(old) !== localities.has(locality ?? "");
}

function isRouteSeen({ kind, locality, old_locality: old }: RouteChange, { localities, keys }: RouteFilter): boolean {
  if (kind !== "organization" && !keys.has(kind as KeyKind)) return false;
  return localities === undefined || localities.has(locality ?? "") || localities.has(old ?? "");
}

/** One that has left the watched localities is gone. */
function toRoute(change: RouteChange, { localities }: RouteFilter) {
  const isHere = !change.is_deleted && (localities === undefined || localities.has(change.locality ?? ""));
  const { kind, id: epoch } = change;
  const organizationId = change.organization_id ?? "0";
  if (kind === "slug_alias" || kind === "project_key") {
    const value = (kind === "slug_alias" ? change.slug : change.public_key) ?? "";
    return { key: toKey(kind, value, isHere ? organizationId : "0"), epoch, isDeleted: !isHere };
  }
  const slug = isHere ? (change.slug ?? "") : "";
  return {
    key: { case: "organization" as const, value: { organizationId, slug } },
    cellName: isHere ? change.cell_name : "",
    epoch,
    isDeleted: !isHere,
  };
}

function toKey(kind: KeyKind, value: string, organizationId: string) {
  return kind === "slug_alias"
    ? { case: "slugAlias" as const, value: { slug: value, organizationId } }
    : { case: "projectKey" as const, value: { publicKey: value, organizationId } };
}

function toCellRoute({ cell_name: name, locality, id: epoch, is_deleted: isDeleted, ...at }: RouteChange) {
  const { rpc_address, http_address, ingest_address } = at;
  const addresses = {
    rpcAddress: rpc_address ?? "",
    httpAddress: http_address ?? "",
    ingestAddress: ingest_address ?? "",
  };
  return { name, locality: locality ?? "", ...addresses, epoch, isDeleted };
}
