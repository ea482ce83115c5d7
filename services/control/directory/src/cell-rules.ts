import type { ServiceContext } from "@cellway/host";
import { isOrigin } from "@cellway/silo";
import { createInvalidFieldError, createMonolithCellsFixedError } from "./errors.js";

/** The weight of a cell for which nobody says one. */
export const CELL_WEIGHT_DEFAULT = 100;

/** @throws FAILED_PRECONDITION / MONOLITH_CELLS_FIXED: in a monolith a cell is a part of this process. */
export function assertCellsCanChange({ silo }: Pick<ServiceContext, "silo">): void {
  if (silo.mode === "MONOLITH") throw createMonolithCellsFixedError();
}

/** @throws INVALID_ARGUMENT / INVALID_FIELD when a cell cannot be reached at the address. */
export function assertCellAddress({ topology }: Pick<ServiceContext, "topology">, rpcAddress: string): void {
  if (!isOrigin(rpcAddress))
    throw createInvalidFieldError("rpc_address", "must be a lower-case http:// or https:// origin without a path");
  if (rpcAddress === topology.controlRpcAddress)
    throw createInvalidFieldError("rpc_address", "is control's address; each silo needs its own");
}

/** @throws INVALID_ARGUMENT / INVALID_FIELD when routers cannot send requests to the address. Empty is none. */
export function assertCellHttpAddress(
  { topology }: Pick<ServiceContext, "topology">,
  field: "http_address" | "ingest_address",
  address: string,
): void {
  if (address !== "" && !isOrigin(address))
    throw createInvalidFieldError(field, "must be a lower-case http:// or https:// origin without a path");
  if (address === topology.controlRpcAddress)
    throw createInvalidFieldError(field, "is control's RPC address, which is never public");
}
