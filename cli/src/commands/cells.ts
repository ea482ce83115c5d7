import {
  type Cell,
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
    const [{ cells }, { localities }] = await Promise.all([directory.listCells({}), directory.listLocalities({})]);
    ctx.terminal.out(options.json === true ? formatJson(cells, localities) : formatCells(cells, localities));
    return EXIT_OK;
  });
}

/** The cells as a table for people. */
export function formatCells(cells: readonly Cell[], localities: readonly Locality[]): string {
  const rows = cells.map((cell) => {
    const locality = localities.find((candidate) => candidate.name === cell.locality);
    const isNew = locality?.newOrganizationCell === cell.name;
    return [cell.name, String(cell.number), cell.locality, categoryOf(locality), isNew ? "yes" : "", cell.rpcAddress];
  });
  return formatTable([heading("cell", "number", "locality", "category", "new organizations", "rpc address"), ...rows]);
}

function formatJson(cells: readonly Cell[], localities: readonly Locality[]): string {
  return JSON.stringify({
    cells: cells.map(({ name, number, locality, rpcAddress }) => ({ name, number, locality, rpcAddress })),
    localities: localities.map((locality) => ({
      name: locality.name,
      displayName: locality.displayName,
      category: categoryOf(locality),
      cells: locality.cellNames,
      newOrganizationCell: locality.newOrganizationCell,
    })),
  });
}

function categoryOf(locality: Locality | undefined): string {
  if (locality === undefined) return "";
  return locality.category === LocalityCategory.SINGLE_TENANT ? "single_tenant" : "multi_tenant";
}
