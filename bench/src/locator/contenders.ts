import { createHash } from "node:crypto";
import { type KeyStatement, Locator } from "@cellway/locator";
import { createMetrics } from "@cellway/telemetry";

/** What every contender is asked for. */
export interface Dataset {
  readonly ids: readonly string[];
  readonly slugs: readonly string[];
  readonly cells: readonly string[];
  /** One of each organization: another slug that leads to it, and the public key of a project. */
  readonly aliases: readonly string[];
  readonly projectKeys: readonly string[];
}

/** The same routes, held in one of several ways. */
export interface Contender {
  readonly name: string;
  /** The name of the cell. */
  bySlug(slug: string): string | undefined;
  byId(organizationId: string): string | undefined;
  byProjectKey(publicKey: string): string | undefined;
  /** Takes in what else leads to the organizations. */
  addAliases(): void;
  addProjectKeys(): void;
  /** Takes over that an organization has another cell now. */
  move(organizationId: string, slug: string, cell: string): void;
}

const WORDS = ["acme", "northwind", "globex", "initech", "umbrella", "stark", "wayne", "hooli", "vandelay", "soylent"];

/** Organizations as the directory has them: ids of 53 bits, slugs of about 20 characters, in 8 cells. */
export function createDataset(count: number): Dataset {
  const ids: string[] = [];
  const slugs: string[] = [];
  const cells: string[] = [];
  const aliases: string[] = [];
  const projectKeys: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const cell = index % 8;
    ids.push(String(2n ** 52n + BigInt(index) * 1_024n * 7n + BigInt(cell)));
    // In one piece: a text of pieces is joined at its first use, which would count as memory of whoever uses it.
    slugs.push(toOwnText(`${WORDS[index % 10]}-${WORDS[(index >> 3) % 10]}-${(index * 2_654_435) % 9_999_991}`));
    cells.push(`us${cell}`);
    aliases.push(toOwnText(`old-${WORDS[(index >> 5) % 10]}-${(index * 7_654_321) % 9_999_991}`));
    projectKeys.push(toOwnText(createHash("md5").update(String(index)).digest("hex")));
  }
  return { ids, slugs, cells, aliases, projectKeys };
}

/** A text that shares no memory with the data set: what a request brings. */
export function toOwnText(text: string): string {
  return Buffer.from(text, "latin1").toString("latin1");
}

/** Our locator, as routers use it. */
export function createLocatorContender({ ids, slugs, cells, aliases, projectKeys }: Dataset): Contender {
  const directory = { findOrganization: async () => undefined, listCells: async () => [] };
  const locator = new Locator({ directory, metrics: createMetrics({ silo: "bench" }) });
  const { memory } = locator;
  for (const name of new Set(cells)) {
    const addresses = {
      address: `http://${name}.internal:1`,
      httpAddress: `http://${name}.internal:2`,
      ingestAddress: "",
    };
    memory.stateCell({ name, locality: "us", ...addresses, epoch: 1, isDeleted: false });
  }
  let epoch = 1;
  const state = (organizationId: string, slug: string, cellName: string) =>
    memory.stateRoute({ organizationId, slug, cellName, epoch: epoch++, isDeleted: false }, "change");
  for (let index = 0; index < ids.length; index += 1) {
    state(ids[index] as string, slugs[index] as string, cells[index] as string);
  }
  const add = (kind: KeyStatement["kind"], values: readonly string[]) => {
    for (const [index, value] of values.entries()) {
      const organizationId = ids[index] as string;
      memory.stateKey({ kind, value, organizationId, epoch: epoch++, isDeleted: false }, "change");
    }
  };
  return {
    name: "cellway locator",
    bySlug: (slug) => locator.peekSlug(slug)?.name,
    byId: (organizationId) => locator.peekId(organizationId)?.name,
    byProjectKey: (publicKey) => locator.peekProjectKey(publicKey)?.name,
    addAliases: () => add("alias", aliases),
    addProjectKeys: () => add("projectKey", projectKeys),
    move: state,
  };
}

/** Plain maps of the same: an object for each organization, found by id and by slug. */
export function createMapContender({ ids, slugs, cells, aliases, projectKeys }: Dataset): Contender {
  interface Entry {
    readonly organizationId: string;
    readonly slug: string;
    readonly cell: { readonly name: string; readonly locality: string; readonly address: string };
    readonly epoch: number;
    readonly learnedAtMs: number;
  }
  interface KeyEntry {
    readonly organizationId: string;
    readonly epoch: number;
    readonly learnedAtMs: number;
  }
  const cellsByName = new Map(
    [...new Set(cells)].map((name) => [name, { name, locality: "us", address: `http://${name}.internal:1` }]),
  );
  const byId = new Map<string, Entry>();
  const bySlug = new Map<string, Entry>();
  // Of ids: an organization that moves is another entry.
  const byAlias = new Map<string, KeyEntry>();
  const byProjectKey = new Map<string, KeyEntry>();
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
  const add = (map: Map<string, KeyEntry>, values: readonly string[]) => {
    for (const [index, value] of values.entries()) {
      const organizationId = toOwnText(ids[index] as string);
      map.set(toOwnText(value), { organizationId, epoch: epoch++, learnedAtMs: Date.now() });
    }
  };
  const home = (key: KeyEntry | undefined) => (key === undefined ? undefined : byId.get(key.organizationId));
  return {
    name: "plain Maps",
    bySlug: (slug) => (bySlug.get(slug) ?? home(byAlias.get(slug)))?.cell.name,
    byId: (organizationId) => byId.get(organizationId)?.cell.name,
    byProjectKey: (publicKey) => home(byProjectKey.get(publicKey))?.cell.name,
    addAliases: () => add(byAlias, aliases),
    addProjectKeys: () => add(byProjectKey, projectKeys),
    move: state,
  };
}
