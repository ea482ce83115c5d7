import { createHmac } from "node:crypto";

/** Which mappings are read. */
export type EdgeFeed = "org-cell-mappings" | "projectkey-cell-mappings";

/** A page as the wire has it. */
export interface EdgeFeedBody {
  readonly data: readonly { id: string; slug?: string; publickey?: string; cell: string }[];
  readonly metadata: { cursor: string | null; has_more: boolean; cell_to_locality: Record<string, string> };
}

/** How a reader reaches the feed. */
export interface SynapseReaderOptions {
  readonly address: string;
  readonly key: string;
  readonly feed?: EdgeFeed;
  readonly localities?: readonly string[];
  /** Synapse never says one; tests do, for small pages. */
  readonly perPage?: number;
  /** Told of each page before the next is asked for. */
  readonly onPage?: (body: EdgeFeedBody) => Promise<void> | void;
}

/** The header of Synapse for a path: the query is not part of it. */
export function signEdgePath(key: string, path: string): string {
  return `Signature synapse0:${createHmac("sha256", key).update(`${path}:`).digest("hex")}`;
}

/** Asks for one page. */
export function fetchEdgePage(
  options: SynapseReaderOptions,
  cursor: string | null,
  headers: Record<string, string> = {},
): Promise<Response> {
  const { address, key, feed = "org-cell-mappings", localities = [], perPage } = options;
  const url = new URL(`/api/0/internal/${feed}/`, address);
  if (cursor !== null) url.searchParams.append("cursor", cursor);
  for (const locality of localities) url.searchParams.append("locality", locality);
  if (perPage !== undefined) url.searchParams.append("per_page", String(perPage));
  const signed = { authorization: signEdgePath(key, url.pathname), ...headers };
  return fetch(url, { headers: signed, signal: AbortSignal.timeout(10_000) });
}

/**
 * Holds routes as Synapse's locator does: one map for ids, slugs and keys; a snapshot replaces it and every later load only
 * adds to it or overwrites; a load that fails changes nothing; a key whose cell has no locality is not found.
 */
export class SynapseReader {
  private map = new Map<string, string>();
  private cells = new Map<string, string>();
  private cursor: string | null = null;
  private isLoaded = false;
  /** Pages of the last load. */
  pages = 0;

  constructor(readonly options: SynapseReaderOptions) {}

  /** A snapshot the first time, else what is new: what Synapse does each minute, and for a key that it does not find. */
  async load(): Promise<void> {
    const map = new Map<string, string>();
    const cells = new Map<string, string>();
    let { cursor } = this;
    this.pages = 0;
    for (let isMore = true; isMore; ) {
      const response = await fetchEdgePage(this.options, cursor);
      if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
      const { data, metadata } = (await response.json()) as EdgeFeedBody;
      for (const { id, slug, publickey, cell } of data) {
        if (slug !== undefined) map.set(id, cell);
        map.set(slug ?? publickey ?? "", cell);
      }
      for (const [cell, locality] of Object.entries(metadata.cell_to_locality)) cells.set(cell, locality);
      this.pages += 1;
      isMore = metadata.has_more;
      if (isMore && metadata.cursor === null) throw new Error("there is more, and no cursor");
      cursor = metadata.cursor ?? cursor;
      await this.options.onPage?.({ data, metadata });
    }
    if (this.isLoaded) {
      for (const [key, cell] of map) this.map.set(key, cell);
      for (const [cell, locality] of cells) this.cells.set(cell, locality);
    } else {
      this.map = map;
      this.cells = cells;
    }
    this.cursor = cursor;
    this.isLoaded = true;
  }

  /** The cell of an id, slug or public key; undefined for what is answered with 404. */
  find(key: string): string | undefined {
    const cell = this.map.get(key);
    return cell !== undefined && this.cells.has(cell) ? cell : undefined;
  }

  /** What it routes, ordered: `acme@us1`. */
  get routes(): string[] {
    const routed = [...this.map.keys()].filter((key) => this.find(key) !== undefined);
    return routed.map((key) => `${key}@${this.find(key)}`).toSorted();
  }

  /** Where it would go on after a restart with its backup. */
  get backup(): { map: Map<string, string>; cells: Map<string, string>; cursor: string | null } {
    return { map: new Map(this.map), cells: new Map(this.cells), cursor: this.cursor };
  }

  /** Starts from a backup: control could not be reached. */
  restore(backup: SynapseReader["backup"]): void {
    this.map = new Map(backup.map);
    this.cells = new Map(backup.cells);
    this.cursor = backup.cursor;
    this.isLoaded = true;
  }
}
