import type { IncomingMessage, ServerResponse } from "node:http";
import type { ServiceContext } from "@cellway/host";
import type { InternalRoute } from "@cellway/http";
import { controlRoutesOf } from "../feed/control-routes.js";
import type { EdgeFeedKind, EdgeMappingRow } from "../store/edge-mapping.js";
import { listCells } from "../store/topology.js";
import { formatEdgeCursor, parseEdgeCursor } from "./cursor.js";
import type { EdgeFeedKeys } from "./keys.js";
import { readEdgePage } from "./page.js";

/** Rows of a page, at most and when nothing is said. About 80 bytes each. */
const PER_PAGE_MAX = 10_000;
/** Localities of a request. */
const LOCALITIES_MAX = 100;
/** Pages that are read at a time; the next one is told to come back. */
const READS_MAX = 8;
/**
 * The cell of what leads nowhere. No cell has such a name, so a reader finds no cell for the id or slug, as if it had never
 * heard of it: the format has no other way to say that something is gone.
 */
const NO_CELL = "-";
/** Stands in for the id of a slug that leads nowhere. No organization has it. */
const NO_ID = "0";

/** The feed that existing routers read, in Synapse's wire format: docs/operate/scale-the-edge.md. */
export function createEdgeFeedRoutes(keys: EdgeFeedKeys): InternalRoute<ServiceContext>[] {
  let reads = 0;
  const create = (kind: EdgeFeedKind, path: string): InternalRoute<ServiceContext> => ({
    method: "GET",
    path,
    localMode: "CONTROL",
    async handle(context, req, res) {
      const refusal = refuse(keys, req, path);
      if (refusal !== undefined) {
        context.metrics.count("cellway_edge_feed_refused_total", { feed: kind });
        return send(res, refusal.status, { detail: refusal.detail });
      }
      if (reads >= READS_MAX) return send(res, 429, { detail: "too many pages are being read; try again" });
      reads += 1;
      try {
        await answer(context, kind, req, res);
      } finally {
        reads -= 1;
      }
    },
  });
  return [
    create("organization", "/api/0/internal/org-cell-mappings/"),
    create("project_key", "/api/0/internal/projectkey-cell-mappings/"),
  ];
}

interface Refusal {
  readonly status: number;
  readonly detail: string;
}

function refuse(keys: EdgeFeedKeys, req: IncomingMessage, path: string): Refusal | undefined {
  if (keys.isEmpty) return { status: 401, detail: "the edge feed has no keys: set CELLWAY_EDGE_FEED_KEYS at control" };
  if (!keys.accepts(req.headers.authorization, path))
    return { status: 401, detail: "Authorization: must be a signature by one of the keys of the edge feed" };
  const hasBody = req.headers["transfer-encoding"] !== undefined || Number(req.headers["content-length"] ?? 0) !== 0;
  return hasBody ? { status: 400, detail: "a GET of the edge feed must have no body" } : undefined;
}

async function answer(context: ServiceContext, kind: EdgeFeedKind, req: IncomingMessage, res: ServerResponse) {
  const query = new URLSearchParams((req.url ?? "").split("?").slice(1).join("?"));
  const localities = query.getAll("locality");
  if (localities.length > LOCALITIES_MAX)
    return send(res, 400, { detail: `locality: must be given at most ${LOCALITIES_MAX} times` });
  const perPage = query.get("per_page") ?? String(PER_PAGE_MAX);
  const limit = /^\d{1,6}$/.test(perPage) ? Number(perPage) : 0;
  if (limit < 1 || limit > PER_PAGE_MAX)
    return send(res, 400, { detail: `per_page: must be a whole number of 1 to ${PER_PAGE_MAX}` });
  const text = query.get("cursor") ?? "";
  const cursor = text === "" ? undefined : parseEdgeCursor(text);
  if (cursor === "invalid")
    return send(res, 400, { detail: "cursor: must be one that this feed gave, or be left out to begin anew" });
  const wanted = localities.length === 0 ? null : localities;
  const cells = await listCells(context.database);
  warnOfUnknown(context, wanted, new Set(cells.map(({ locality }) => locality)));
  const { database, metrics, logger } = context;
  const { feed } = controlRoutesOf(context);
  const page = await readEdgePage({ feed, database, kind, localities: wanted, cursor, limit });
  if (page.resyncWhy !== undefined)
    logger.warn({ feed: kind, why: page.resyncWhy }, "a reader of the edge feed is told everything again");
  metrics.count("cellway_edge_feed_pages_total", { feed: kind, of: page.step });
  metrics.count("cellway_edge_feed_rows_total", { feed: kind }, page.rows.length);
  const updatedAtS = Math.floor((feed.position?.completeUntilMs ?? context.now()) / 1_000);
  return send(res, 200, {
    data: page.rows.map((row) => toRecord(kind, row, wanted)),
    metadata: {
      cursor: formatEdgeCursor(page.cursor, updatedAtS),
      has_more: page.hasMore,
      cell_to_locality: Object.fromEntries(cells.map(({ name, locality }) => [name, locality])),
    },
  });
}

/** A misspelled locality would silently route nothing. */
function warnOfUnknown({ logger }: ServiceContext, wanted: readonly string[] | null, known: ReadonlySet<string>): void {
  const unknown = wanted?.filter((locality) => !known.has(locality)) ?? [];
  if (unknown.length > 0) logger.warn({ unknown }, "a reader of the edge feed asks for localities that have no cells");
}

function toRecord(kind: EdgeFeedKind, row: EdgeMappingRow, localities: readonly string[] | null) {
  const isHere = row.cell_name !== null && (localities === null || localities.includes(row.locality ?? ""));
  const id = row.id ?? NO_ID;
  // Of an organization that is gone there is no slug to say: its id stands for it, which no slug looks like.
  const name = row.name ?? id;
  const cell = isHere ? row.cell_name : NO_CELL;
  return kind === "organization" ? { id, slug: name, cell } : { id, publickey: name, cell };
}

function send(res: ServerResponse, status: number, body: unknown): void {
  const isLater = status === 429 ? { "retry-after": "1" } : {};
  res.writeHead(status, { "content-type": "application/json", "cache-control": "no-store", ...isLater });
  res.end(JSON.stringify(body));
}
