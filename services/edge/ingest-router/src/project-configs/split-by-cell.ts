import { INGEST_LISTENER } from "@cellway/http";
import { isPublicKey } from "@cellway/ingest-protocol";
import type { Finding } from "@cellway/locator";
import type { Scope } from "../scope.js";
import type { ProjectConfigContext } from "./context.js";
import type { Deadline } from "./deadline.js";

/** The keys of one cell. */
export interface CellKeys {
  readonly cell: string;
  /** The origin at which it takes events. */
  readonly address: string;
  readonly keys: string[];
}

/** Where keys lead. A key in neither list is no project's: the directory, complete, says so. */
export interface Split {
  /** Ordered by the cells' names. */
  readonly cells: readonly CellKeys[];
  /** Not known now, of another locality, or of a cell without an address. */
  readonly pending: readonly string[];
}

/** A key, and what is known of it; undefined when nothing is. */
type Found = readonly [key: string, finding: Finding | undefined];

/**
 * Finds the cells of keys, in two parts, so that those that are known are not held up: at once what the memory knows, and what must
 * be asked of the directory, all at once and for as long as there is time.
 */
export function splitByCell(
  { locator }: ProjectConfigContext,
  publicKeys: readonly string[],
  { scope, deadline }: { readonly scope: Scope; readonly deadline: Deadline },
): { readonly known: Split; readonly unknown: Promise<Split> } {
  const known: Found[] = [];
  const unknown: string[] = [];
  for (const value of publicKeys.filter(isPublicKey)) {
    const finding = locator.findKnown({ kind: "projectKey", value });
    if (finding === undefined) unknown.push(value);
    else known.push([value, finding]);
  }
  const asked = unknown.map(async (value): Promise<Found> => {
    return [value, await deadline.race(locator.find({ kind: "projectKey", value }))];
  });
  return { known: group(known, scope), unknown: Promise.all(asked).then((found) => group(found, scope)) };
}

function group(found: readonly Found[], scope: Scope): Split {
  const byCell = new Map<string, CellKeys>();
  const pending: string[] = [];
  for (const [key, finding] of found) {
    if (finding?.outcome === "absent") continue;
    const cell = finding?.outcome === "routed" && scope.has(finding.cell.locality) ? finding.cell : undefined;
    const address = cell === undefined ? "" : INGEST_LISTENER.addressOf(cell);
    if (cell === undefined || address === "") {
      pending.push(key);
      continue;
    }
    const known = byCell.get(cell.name);
    if (known === undefined) byCell.set(cell.name, { cell: cell.name, address, keys: [key] });
    else known.keys.push(key);
  }
  return { cells: [...byCell.values()].toSorted((one, other) => (one.cell < other.cell ? -1 : 1)), pending };
}
