import { writeFile } from "node:fs/promises";
import { RouteMemory, writeCopy } from "@cellway/locator";
import type { Cell } from "./cells.js";

/** Organizations as the directory has them, each in the cell at its place modulo the number of cells. */
export interface Dataset {
  readonly slugs: readonly string[];
  readonly cells: readonly Cell[];
}

const WORDS = ["acme", "northwind", "globex", "initech", "umbrella", "stark", "wayne", "hooli", "vandelay", "soylent"];

/** Slugs of about 20 characters, all different. */
export function createDataset(count: number, cells: readonly Cell[]): Dataset {
  const slugs = Array.from({ length: count }, (_, index) => {
    return `${WORDS[index % 10]}-${WORDS[(index >> 3) % 10]}-${(index * 2_654_435) % 9_999_991}`;
  });
  return { slugs, cells };
}

/** The cell of an organization. */
export function cellAt({ cells }: Dataset, index: number): Cell {
  const cell = cells[index % cells.length];
  if (cell === undefined) throw new Error("There are no cells.");
  return cell;
}

/** Writes the routes as our routers keep them on disk. */
export async function writeRoutesFile(path: string, dataset: Dataset): Promise<void> {
  const memory = new RouteMemory({ now: Date.now });
  for (const { name, port } of dataset.cells) {
    const addresses = { address: "http://127.0.0.1:1", httpAddress: `http://127.0.0.1:${port}`, ingestAddress: "" };
    memory.stateCell({ name, locality: "us", ...addresses, epoch: 1, isDeleted: false });
  }
  for (const [index, slug] of dataset.slugs.entries()) {
    const organizationId = String(2n ** 52n + BigInt(index) * 7_168n);
    const cellName = cellAt(dataset, index).name;
    memory.stateRoute({ organizationId, slug, cellName, epoch: index + 2, isDeleted: false }, "change");
  }
  memory.isComplete = true;
  memory.completeUntilMs = Date.now();
  const { signal } = new AbortController();
  await writeCopy(memory, { path, localities: ["us"], bytesPerSecondMax: 2 ** 40, signal });
}

/** Writes a line for each organization: the slug, a space, and what is made of its cell. */
export async function writeMapFile(path: string, dataset: Dataset, valueOf: (cell: Cell) => string): Promise<void> {
  const lines = dataset.slugs.map((slug, index) => `${slug} ${valueOf(cellAt(dataset, index))}\n`);
  await writeFile(path, lines.join(""));
}
