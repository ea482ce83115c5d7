import type { FileHandle } from "node:fs/promises";
import { open, rename } from "node:fs/promises";
import type { RouteMemory } from "@cellway/locator";

/** The names of the two maps, which are the names of their files too. */
export const MAP_NAMES = ["organizations", "project-keys"] as const;
export type MapName = (typeof MAP_NAMES)[number];

/** Key to cell: slugs, their aliases and ids of organizations in one, public keys of projects in the other. */
export interface RouteMaps {
  readonly maps: Readonly<Record<MapName, ReadonlyMap<string, string>>>;
  /** Keys that were left out, because they could be taken for something else than a key. */
  readonly refused: number;
}

/**
 * What may stand in a map file and in a command of HAProxy's socket: there a space separates, `;` and a new line begin
 * another command, `#` is a comment or an identifier, `<<` a payload and a backslash an escape. Nothing of that is in here.
 */
const TOKEN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** Whether a text is safe as a key or a value. */
export function isMapToken(text: string): boolean {
  return TOKEN.test(text);
}

/** What the memory routes, as maps. */
export function buildRouteMaps(memory: RouteMemory): RouteMaps {
  const maps = { organizations: new Map<string, string>(), "project-keys": new Map<string, string>() };
  const { table } = memory;
  let refused = 0;
  const put = (name: MapName, key: string, cell: string) => {
    if (isMapToken(key) && isMapToken(cell)) maps[name].set(key, cell);
    else refused += 1;
  };
  table.visit((place) => {
    const kind = table.kindAt(place);
    const text = table.textAt(place);
    const home = kind === "organization" ? place : table.findId(table.idAt(place));
    const cell = home === 0 ? undefined : memory.cellAt(home)?.name;
    if (cell === undefined) return;
    if (kind === "projectKey") return put("project-keys", text, cell);
    if (kind === "organization") put("organizations", table.idAt(place), cell);
    // An older record may still hold a slug that leads elsewhere now.
    if (table.findSlug(text) === home) put("organizations", text, cell);
  });
  return { maps, refused };
}

/** A map as the text of a file: sorted, with what it is of in comments. */
export function formatMap(name: MapName, map: ReadonlyMap<string, string>, asOf: string): string {
  const lines = [...map].map(([key, cell]) => `${key} ${cell}\n`).sort();
  const head = `# ${name}.map: ${map.size} keys and their cells, as of ${asOf}. Written by: cellway routes export\n`;
  return head + lines.join("");
}

/** Backends for the cells; those without a server are named in a comment. `servers` are cell to host:port. */
export function formatBackends(cells: readonly string[], servers: ReadonlyMap<string, string>): string {
  const parts = cells.toSorted().map((cell) => {
    const server = servers.get(cell);
    return server === undefined
      ? `# cell ${cell} has no server here: name it with --server ${cell}=host:port\n`
      : `backend cell_${cell}\n  server ${cell} ${server} check\n`;
  });
  return `# Written by: cellway routes export. Use them with: use_backend cell_%[var(txn.cell)]\n\n${parts.join("\n")}`;
}

/** Puts a text in the place of a file: whoever reads it finds the old one or the new one, whole. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.tmp`;
  const file: FileHandle = await open(temporary, "w", 0o644);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}
