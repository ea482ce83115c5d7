import { type Cell, CellState, DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import type { Client } from "@connectrpc/connect";
import type { CommandContext } from "../context.js";
import { EXIT_OK, UsageError } from "../errors.js";
import { findFleet } from "../fleet-target.js";
import { withOperator } from "../operator.js";
import { describeCell } from "./cells.js";

/** Options of every command that changes a cell. */
export interface CellOptions {
  readonly dataDir?: string;
  readonly json?: boolean;
}

/** Options of `cellway cells update`. */
export interface CellsUpdateOptions extends CellOptions {
  readonly rpcAddress?: string;
  /** Empty takes it away. */
  readonly httpAddress?: string;
  /** Where it takes events, if that is not `httpAddress`. */
  readonly ingestAddress?: string;
  readonly weight?: number;
  /** 0 for no limit. */
  readonly capacity?: number;
}

/** Options of `cellway cells add`. */
export interface CellsAddOptions extends CellsUpdateOptions {
  readonly locality: string;
  readonly number: number;
  readonly rpcAddress: string;
  readonly draining?: boolean;
}

/** Makes a cell that runs known to the fleet. */
export function runCellsAdd(name: string, options: CellsAddOptions, ctx: CommandContext): Promise<number> {
  const { number, locality, rpcAddress, httpAddress = "", ingestAddress = "", weight = 0, capacity = 0 } = options;
  const state = options.draining === true ? CellState.DRAINING : CellState.ACTIVE;
  return changeCell(options, ctx, async (directory) => {
    const { cell } = await directory.addCell({
      name,
      number,
      locality,
      rpcAddress,
      httpAddress,
      ingestAddress,
      weight,
      capacity,
      state,
    });
    return [cell, `${name} is a cell of locality ${locality}`];
  });
}

/** Changes a cell's address, weight or capacity. @throws UsageError when nothing is to be changed */
export function runCellsUpdate(name: string, options: CellsUpdateOptions, ctx: CommandContext): Promise<number> {
  const { rpcAddress, httpAddress, ingestAddress, weight, capacity } = options;
  const paths = [
    ...(rpcAddress === undefined ? [] : ["rpc_address"]),
    ...(httpAddress === undefined ? [] : ["http_address"]),
    ...(ingestAddress === undefined ? [] : ["ingest_address"]),
    ...(weight === undefined ? [] : ["weight"]),
    ...(capacity === undefined ? [] : ["capacity"]),
  ];
  if (paths.length === 0)
    throw new UsageError(
      `cells update ${name}: say what shall change with --rpc-address, --http-address, --weight or --capacity.`,
    );
  const change = {
    rpcAddress: rpcAddress ?? "",
    httpAddress: httpAddress ?? "",
    ingestAddress: ingestAddress ?? "",
    weight: weight ?? 0,
    capacity: capacity ?? 0,
  };
  return changeCell(options, ctx, async (directory) => {
    const { cell } = await directory.updateCell({ name, ...change, updateMask: { paths } });
    return [cell, `${name} is changed`];
  });
}

/** Stops giving a cell new organizations, or starts it again. Those that live there stay. */
export function runCellsDrain(
  name: string,
  wanted: "draining" | "active",
  options: CellOptions,
  ctx: CommandContext,
): Promise<number> {
  const isDraining = wanted === "draining";
  const state = isDraining ? CellState.DRAINING : CellState.ACTIVE;
  return changeCell(options, ctx, async (directory) => {
    const { cell } = await directory.updateCell({ name, state, updateMask: { paths: ["state"] } });
    if (!isDraining) return [cell, `${name} takes new organizations`];
    const { cells } = await directory.listCells({ withOrganizationCounts: true });
    const organizations = cells.find((one) => one.name === name)?.organizationCount ?? 0;
    // A control of before does not say whether a cell takes new ones.
    const isOpen = cells.some((one) => one.locality === cell?.locality && one.takesNewOrganizations !== false);
    const left = `organizations left there, those being created included: ${organizations}`;
    const warning = isOpen ? "" : `; locality ${cell?.locality} has no cell left that takes new ones`;
    return [cell, `${name} takes no new organizations; ${left}${warning}`, { organizations }];
  });
}

/** Removes a cell that nothing lives in. */
export function runCellsRemove(name: string, options: CellOptions, ctx: CommandContext): Promise<number> {
  return changeCell(options, ctx, async (directory) => {
    await directory.removeCell({ name });
    return [undefined, `${name} is removed; its number is never used again`];
  });
}

/** Prints a sentence, or the cell as it is now, with more where there is more to say; `{"removed": true}` when it is no more. */
function changeCell(
  options: CellOptions,
  ctx: CommandContext,
  change: (directory: Client<typeof DirectoryService>) => Promise<[Cell | undefined, string, more?: object]>,
): Promise<number> {
  return withOperator(findFleet(options.dataDir, ctx), options, ctx, async ({ runtime }) => {
    const [cell, sentence, more] = await change(runtime.client(DirectoryService));
    const json = JSON.stringify(cell === undefined ? { removed: true } : { ...describeCell(cell), ...more });
    ctx.terminal.out(options.json === true ? json : `${sentence}.`);
    return EXIT_OK;
  });
}
