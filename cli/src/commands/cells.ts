import {
  type Cell,
  CellState,
  DirectoryService,
  type Locality,
  LocalityCategory,
} from "@cellway/gen/cellway/directory/v1/directory";
import type { CommandContext } from "../context.js";
import { EXIT_OK } from "../errors.js";
import { findFleet } from "../fleet-target.js";
import { withOperator } from "../operator.js";
import { formatTable, heading } from "../table.js";

/** Options of `cellway cells list`. */
export interface CellsListOptions {
  readonly dataDir?: string;
  readonly json?: boolean;
}

/** Lists the cells and localities that the directory knows. */
export async function runCellsList(options: CellsListOptions, ctx: CommandContext): Promise<number> {
  return withOperator(findFleet(options.dataDir, ctx), options, ctx, async ({ runtime }) => {
    const directory = runtime.client(DirectoryService);
    const [{ cells }, { localities }] = await Promise.all([
      directory.listCells({ withOrganizationCounts: true }),
      directory.listLocalities({}),
    ]);
    ctx.terminal.out(options.json === true ? formatJson(cells, localities) : formatCells(cells, localities));
    return EXIT_OK;
  });
}

/** The cells as a table for people. */
export function formatCells(cells: readonly Cell[], localities: readonly Locality[]): string {
  const rows = cells.map((cell) => {
    const locality = localities.find((candidate) => candidate.name === cell.locality);
    return [
      cell.name,
      String(cell.number),
      cell.locality,
      categoryOf(locality),
      stateOf(cell),
      String(cell.weight),
      cell.capacity === 0 ? "-" : String(cell.capacity),
      String(cell.organizationCount),
      takesOrganizations(cell),
      cell.rpcAddress,
    ];
  });
  const names = ["cell", "number", "locality", "category", "state", "weight", "capacity", "organizations"];
  return formatTable([heading(...names, "new organizations", "rpc address"), ...rows]);
}

/** A cell as `--json` prints it; without the number of its organizations where that was not asked for. */
export function describeCell({ name, number, locality, rpcAddress, weight, capacity, ...cell }: Cell) {
  return {
    name,
    number,
    locality,
    rpcAddress,
    httpAddress: cell.httpAddress === "" ? null : cell.httpAddress,
    ingestAddress: cell.ingestAddress === "" ? null : cell.ingestAddress,
    weight,
    capacity: capacity === 0 ? null : capacity,
    state: stateOf(cell),
  };
}

function formatJson(cells: readonly Cell[], localities: readonly Locality[]): string {
  return JSON.stringify({
    cells: cells.map((cell) => ({
      ...describeCell(cell),
      organizations: cell.organizationCount,
      takesNewOrganizations: cell.takesNewOrganizations ?? null,
    })),
    localities: localities.map((locality) => ({
      name: locality.name,
      displayName: locality.displayName,
      category: categoryOf(locality),
      cells: locality.cellNames,
      newOrganizationCell: locality.newOrganizationCell,
    })),
  });
}

/** Whether an organization that is created in the locality now may land in the cell; a control of before does not say. */
function takesOrganizations({ takesNewOrganizations: takes }: Cell): string {
  if (takes === undefined) return "?";
  return takes ? "yes" : "";
}

function stateOf({ state }: Pick<Cell, "state">): string {
  return state === CellState.DRAINING ? "draining" : "active";
}

function categoryOf(locality: Locality | undefined): string {
  if (locality === undefined) return "";
  return locality.category === LocalityCategory.SINGLE_TENANT ? "single_tenant" : "multi_tenant";
}
