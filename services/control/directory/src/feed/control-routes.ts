import type { SiloDatabase } from "@cellway/database";
import type { ServiceContext } from "@cellway/host";
import { Locator, type RouteDirectory, type RouteKey, type RouteMemory, reportLocator } from "@cellway/locator";
import { findMappingByProjectKey, findMappingBySlug, findMappings } from "../store/organization-mapping.js";
import {
  type CellRouteRow,
  FIRST_ROW_KEYS,
  type KeyKind,
  listCellRoutes,
  listKeyRoutes,
  listRoutes,
} from "../store/route.js";
import type { RouteChange } from "../store/route-log.js";
import { pauseFor } from "./pause.js";
import { type ChangeBatch, RouteFeed } from "./route-feed.js";

/** Routes that are loaded at a time. */
const PAGE_SIZE = 5_000;
/** Pause after which routes that could not be loaded are tried again. */
const RETRY_PAUSE_MS = 1_000;
/** Age from which on the tables are asked rather than the memory: the feed cannot read, and somebody else may write. */
const AGE_MAX_MS = 5_000;

type RoutesContext = Pick<ServiceContext, "database" | "logger" | "metrics" | "now">;

/**
 * The routes of control itself: the feed that everybody follows, and the locator that control's own calls are resolved
 * with. It is fed from the tables and from the feed of its own process; there is no call in between.
 */
export class ControlRoutes {
  readonly feed: RouteFeed;
  readonly locator: Locator;
  private readonly reporting: { stop(): void };
  private loading: Promise<void> | undefined;
  /** The feed that the routes in memory are of; undefined when they must be loaded anew. */
  private loadedFeedId: string | undefined;

  constructor(private readonly context: RoutesContext) {
    const { database, metrics, now } = context;
    this.feed = new RouteFeed(context);
    this.locator = new Locator({
      directory: createTableDirectory(database),
      metrics,
      now,
      // An organization that was just created, by whichever process, must be found at once.
      absenceTtlMs: 0,
      questionsMax: Number.POSITIVE_INFINITY,
    });
    this.feed.subscribe((batch) => this.take(batch));
    this.reporting = reportLocator({ memory: this.locator.memory, metrics, now });
  }

  /** Begins to read the feed and to load all routes; until that is done, the tables are asked. Safe to repeat. */
  start(): void {
    this.feed.start();
    this.loading ??= this.load();
  }

  async stop(): Promise<void> {
    this.reporting.stop();
    await Promise.all([this.feed.stop(), this.loading]);
  }

  /** Whether the memory can be trusted: it knows everything that was committed until lately. */
  get isFresh(): boolean {
    const { memory } = this.locator;
    return (
      memory.isComplete && !memory.isInSnapshot && this.context.now() - (memory.completeUntilMs ?? 0) <= AGE_MAX_MS
    );
  }

  /** Takes over what was committed before. Never rejects: what fails now is taken over a moment later. */
  async catchUp(): Promise<void> {
    await this.feed.catchUp().catch((error: unknown) => {
      this.context.logger.warn({ err: error }, "a change of a route is known to this process only a moment later");
    });
  }

  private take({ changes, position }: ChangeBatch): void {
    const { memory } = this.locator;
    if (this.loadedFeedId !== undefined && this.loadedFeedId !== position.feedId) this.reload();
    for (const change of changes) takeChange(memory, change);
    memory.completeUntilMs = position.completeUntilMs;
  }

  private reload(): void {
    this.loadedFeedId = undefined;
    this.loading = (this.loading ?? Promise.resolve()).then(() => this.load());
  }

  private async load(): Promise<void> {
    const { signal } = this.feed;
    while (!signal.aborted) {
      try {
        await this.loadOnce();
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.context.logger.warn({ err: error }, "routes cannot be loaded yet; until then the tables are asked");
        await pauseFor(RETRY_PAUSE_MS, signal);
      }
    }
  }

  private async loadOnce(): Promise<void> {
    const { database } = this.context;
    const { memory } = this.locator;
    if (this.feed.position === undefined) await this.feed.catchUp();
    const feedId = this.feed.position?.feedId ?? "";
    memory.beginSnapshot(feedId);
    for (const cell of await listCellRoutes(database)) memory.stateCell(toCellStatement(cell));
    for (let afterId = "0"; !this.feed.signal.aborted; ) {
      const rows = await listRoutes(database, { localities: [], afterId, limit: PAGE_SIZE });
      for (const { organization_id: organizationId, slug, cell_name: cellName, route_epoch } of rows) {
        const epoch = Number(route_epoch);
        memory.stateRoute({ organizationId, slug, cellName, epoch, isDeleted: false }, "snapshot");
      }
      const last = rows.at(-1);
      if (last === undefined || rows.length < PAGE_SIZE) break;
      afterId = last.organization_id;
    }
    for (const kind of ["slug_alias", "project_key"] as const) await this.loadKeys(kind);
    memory.endSnapshot(this.feed.position?.completeUntilMs);
    this.loadedFeedId = feedId;
  }

  private async loadKeys(kind: KeyKind): Promise<void> {
    for (let afterKey = FIRST_ROW_KEYS[kind]; !this.feed.signal.aborted; ) {
      const rows = await listKeyRoutes(this.context.database, kind, { localities: [], afterKey, limit: PAGE_SIZE });
      for (const { value, organization_id: organizationId, route_epoch } of rows) {
        const statement = {
          kind: KEY_KINDS[kind],
          value,
          organizationId,
          epoch: Number(route_epoch),
          isDeleted: false,
        };
        this.locator.memory.stateKey(statement, "snapshot");
      }
      const last = rows.at(-1);
      if (last === undefined || rows.length < PAGE_SIZE) break;
      afterKey = last.row_key;
    }
  }
}

const KEY_KINDS = { slug_alias: "alias", project_key: "projectKey" } as const;

function takeChange(memory: RouteMemory, change: RouteChange): void {
  const { id, kind, cell_name: cellName, is_deleted: isDeleted } = change;
  const epoch = Number(id);
  const organizationId = change.organization_id ?? "";
  const slug = change.slug ?? "";
  switch (kind) {
    case "cell": {
      const { locality, rpc_address: address, http_address, ingest_address } = change;
      const addresses = {
        address: address ?? "",
        httpAddress: http_address ?? "",
        ingestAddress: ingest_address ?? "",
      };
      memory.stateCell({ name: cellName, locality: locality ?? "", ...addresses, epoch, isDeleted });
      break;
    }
    case "organization":
      memory.stateRoute({ organizationId, slug, cellName, epoch, isDeleted }, "change");
      break;
    case "slug_alias":
      memory.stateKey({ kind: "alias", value: slug, organizationId, epoch, isDeleted }, "change");
      break;
    case "project_key": {
      const value = change.public_key ?? "";
      memory.stateKey({ kind: "projectKey", value, organizationId, epoch, isDeleted }, "change");
      break;
    }
  }
}

const routesByDatabase = new WeakMap<SiloDatabase, ControlRoutes>();

/** The routes of a database, shared by all code of its silo in this process. */
export function controlRoutesOf(context: RoutesContext): ControlRoutes {
  let routes = routesByDatabase.get(context.database);
  if (routes === undefined) {
    routes = new ControlRoutes(context);
    routesByDatabase.set(context.database, routes);
  }
  return routes;
}

async function findRow(database: SiloDatabase, kind: RouteKey["kind"], value: string) {
  if (kind === "slug") return findMappingBySlug(database, value);
  if (kind === "projectKey") return findMappingByProjectKey(database, value);
  return (await findMappings(database, [value]))[0];
}

/** Asks the tables. */
function createTableDirectory(database: SiloDatabase): RouteDirectory {
  return {
    async findOrganization({ kind, value }) {
      const row = await findRow(database, kind, value);
      if (row === undefined) return undefined;
      const { organization_id: organizationId, slug, cell_name: cellName, locality, route_epoch } = row;
      return { organizationId, slug, cellName, locality, epoch: Number(route_epoch) };
    },
    listCells: async () => (await listCellRoutes(database)).map(toCellStatement),
  };
}

function toCellStatement({
  name,
  locality,
  rpc_address: address,
  http_address,
  ingest_address,
  route_epoch,
}: CellRouteRow) {
  const addresses = { address, httpAddress: http_address ?? "", ingestAddress: ingest_address ?? "" };
  return { name, locality, ...addresses, epoch: Number(route_epoch), isDeleted: false };
}
