import { Locator } from "@cellway/locator";
import { createMetrics } from "@cellway/telemetry";

/** What every contender is asked for. */
export interface Dataset {
  readonly ids: readonly string[];
  readonly slugs: readonly string[];
  readonly cells: readonly string[];
}

/** The same routes, held in one of several ways. */
export interface Contender {
  readonly name: string;
  /** The name of the cell. */
  bySlug(slug: string): string | undefined;
  byId(organizationId: string): string | undefined;
  /** Takes over that an organization has another cell now. */
  move(organizationId: string, slug: string, cell: string): void;
}

const WORDS = ["acme", "northwind", "globex", "initech", "umbrella", "stark", "wayne", "hooli", "vandelay", "soylent"];

/** Organizations as the directory has them: ids of 53 bits, slugs of about 20 characters, in 8 cells. */
export function createDataset(count: number): Dataset {
  const ids: string[] = [];
  const slugs: string[] = [];
  const cells: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const cell = index % 8;
    ids.push(String(2n ** 52n + BigInt(index) * 1_024n * 7n + BigInt(cell)));
    // In one piece: a text of pieces is joined at its first use, which would count as memory of whoever uses it.
    slugs.push(toOwnText(`${WORDS[index % 10]}-${WORDS[(index >> 3) % 10]}-${(index * 2_654_435) % 9_999_991}`));
    cells.push(`us${cell}`);
  }
  return { ids, slugs, cells };
}

/** A text that shares no memory with the data set: what a request brings. */
export function toOwnText(text: string): string {
  return Buffer.from(text, "latin1").toString("latin1");
}

/** Our locator, as routers use it. */
export function createLocatorContender({ ids, slugs, cells }: Dataset): Contender {
  const directory = { findOrganization: async () => undefined, listCells: async () => [] };
  const locator = new Locator({ directory, metrics: createMetrics({ silo: "bench" }) });
  const { memory } = locator;
  for (const name of new Set(cells)) {
    memory.stateCell({ name, locality: "us", address: `http://${name}.internal:1`, epoch: 1, isDeleted: false });
  }
  let epoch = 1;
  const state = (organizationId: string, slug: string, cellName: string) =>
    memory.stateRoute({ organizationId, slug, cellName, epoch: epoch++, isDeleted: false }, "change");
  for (let index = 0; index < ids.length; index += 1) {
    state(ids[index] as string, slugs[index] as string, cells[index] as string);
  }
  return {
    name: "cellway locator",
    bySlug: (slug) => locator.peekSlug(slug)?.name,
    byId: (organizationId) => locator.peekId(organizationId)?.name,
    move: state,
  };
}

/** Plain maps of the same: an object for each organization, found by id and by slug. */
export function createMapContender({ ids, slugs, cells }: Dataset): Contender {
  interface Entry {
    readonly organizationId: string;
    readonly slug: string;
    readonly cell: { readonly name: string; readonly locality: string; readonly address: string };
    readonly epoch: number;
    readonly learnedAtMs: number;
  }
  const cellsByName = new Map(
    [...new Set(cells)].map((name) => [name, { name, locality: "us", address: `http://${name}.internal:1` }]),
  );
  const byId = new Map<string, Entry>();
  const bySlug = new Map<string, Entry>();
  let epoch = 1;
  const state = (organizationId: string, slug: string, cellName: string) => {
    const cell = cellsByName.get(cellName);
    if (cell === undefined) throw new Error("there is no such cell");
    const known = byId.get(organizationId);
    if (known !== undefined && known.slug !== slug) bySlug.delete(known.slug);
    const entry = { organizationId, slug, cell, epoch: epoch++, learnedAtMs: Date.now() };
    byId.set(organizationId, entry);
    bySlug.set(slug, entry);
  };
  for (let index = 0; index < ids.length; index += 1) {
    // Copied: what comes from the feed is its own text, and the map keeps it.
    state(toOwnText(ids[index] as string), toOwnText(slugs[index] as string), cells[index] as string);
  }
  return {
    name: "plain Maps",
    bySlug: (slug) => bySlug.get(slug)?.cell.name,
    byId: (organizationId) => byId.get(organizationId)?.cell.name,
    move: state,
  };
}
