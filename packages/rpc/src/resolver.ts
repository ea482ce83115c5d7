import { CONTROL_SILO_NAME } from "@cellway/silo";
import { Code, type ConnectError } from "@connectrpc/connect";
import type { MethodPolicy } from "./contract.js";
import { createRpcError } from "./errors.js";

/** A silo and where its RPC listener is. */
export interface Destination {
  /** `control`, or a cell's name: the audience of what is sent there. */
  readonly silo: string;
  /** An http:// or https:// origin. */
  readonly address: string;
}

/** Finds the cell of an organization. Only control, a monolith and an operator have one. */
export interface CellResolver {
  byOrganizationSlug(slug: string): Promise<Destination | undefined>;
  byOrganizationId(organizationId: string): Promise<Destination | undefined>;
  byCellName(cell: string): Promise<Destination | undefined>;
  /** The cell of the only organization; undefined when there is none. @throws SEVERAL_ORGANIZATIONS when there are more. */
  singleOrganization(): Promise<Destination | undefined>;
}

/** Where a call goes, or that the directory has no row for it. */
export type Resolution = { readonly destination: Destination } | { readonly unmapped: string };

/**
 * Finds where a remote call goes, by what the method's contract says.
 *
 * @throws ConnectError INVALID_ARGUMENT with the field when the key is not set; NOT_FOUND / CELL_NOT_FOUND for the
 *   name of no cell; FAILED_PRECONDITION / WRONG_SILO when this silo cannot resolve cells.
 */
export async function resolveDestination(
  policy: MethodPolicy,
  message: object,
  options: { controlAddress: string; controlName?: string; resolver: CellResolver | undefined },
): Promise<Resolution> {
  if (policy.service.localMode === "CONTROL") {
    return { destination: { silo: options.controlName ?? CONTROL_SILO_NAME, address: options.controlAddress } };
  }
  const { resolver } = options;
  if (resolver === undefined) {
    throw createRpcError(
      Code.FailedPrecondition,
      "WRONG_SILO",
      `${policy.name} is local to cells, and a cell calls no other cell.`,
    );
  }
  const by = policy.resolver;
  if (by === undefined || by.kind === "single_organization") {
    return toResolution(await resolver.singleOrganization(), "the only organization");
  }
  const key = by.read(message);
  if (key === "") throw createUnsetKeyError(policy, by.path);
  switch (by.kind) {
    case "by_organization_slug":
      return toResolution(await resolver.byOrganizationSlug(key), `organization ${key}`);
    case "by_organization_id":
    case "by_organization_id_attribute":
      return toResolution(await resolver.byOrganizationId(key), `organization ${key}`);
    case "by_cell_name": {
      const destination = await resolver.byCellName(key);
      if (destination !== undefined) return { destination };
      throw createRpcError(Code.NotFound, "CELL_NOT_FOUND", `There is no cell ${key}.`, { metadata: { cell: key } });
    }
  }
}

/** @throws INVALID_ARGUMENT / INVALID_FIELD for a request that does not say where it goes, also where it stays here. */
export function assertKey({ resolver, ...policy }: MethodPolicy, message: object): void {
  if (resolver === undefined || resolver.kind === "single_organization" || resolver.read(message) !== "") return;
  throw createUnsetKeyError(policy, resolver.path);
}

/** INVALID_ARGUMENT / INVALID_FIELD for a request that does not say where it goes. */
export function createUnsetKeyError(policy: Pick<MethodPolicy, "name">, field: string): ConnectError {
  return createRpcError(
    Code.InvalidArgument,
    "INVALID_FIELD",
    `${policy.name}: ${field} must be set; it names where the call goes.`,
    {
      metadata: { field },
    },
  );
}

function toResolution(destination: Destination | undefined, key: string): Resolution {
  return destination === undefined ? { unmapped: key } : { destination };
}
