import type {
  DirectoryService,
  GetOrganizationMappingRequest,
  OrganizationMapping,
} from "@cellway/gen/cellway/directory/v1/directory";
import { type CellResolver, createRpcError, type Destination } from "@cellway/rpc";
import { MONOLITH_SILO_NAME } from "@cellway/silo";
import { type Client, Code } from "@connectrpc/connect";
import type { FleetTarget } from "./fleet-target.js";

/**
 * Finds cells for somebody outside of control, by asking control's directory. Remembers nothing: an organization, or
 * the address of a cell, may move between two calls. The topology file stands in while the directory cannot be asked.
 */
export function createRemoteResolver(options: {
  /** Called at the first look-up, so that it may be made of the runtime that this resolver is given to. */
  directory: () => Client<typeof DirectoryService>;
  target: Pick<FleetTarget, "mode" | "topology">;
}): CellResolver {
  const { topology, mode } = options.target;

  async function byCellName(cell: string): Promise<Destination | undefined> {
    const known = topology.cells.get(cell)?.rpcAddress;
    if (mode === "monolith") {
      return known === undefined ? undefined : { silo: MONOLITH_SILO_NAME, address: topology.controlRpcAddress };
    }
    try {
      const { cells } = await options.directory().listCells({});
      const found = cells.find((candidate) => candidate.name === cell);
      return found === undefined ? undefined : { silo: cell, address: found.rpcAddress };
    } catch (error) {
      if (known === undefined) throw error;
      return { silo: cell, address: known };
    }
  }

  async function findOrganization(organization: GetOrganizationMappingRequest["organization"]) {
    const { mapping } = await options.directory().getOrganizationMapping({ organization });
    return toDestination(mapping);
  }

  async function toDestination(mapping: OrganizationMapping | undefined): Promise<Destination | undefined> {
    if (mapping === undefined) return undefined;
    const destination = await byCellName(mapping.cellName);
    if (destination !== undefined) return destination;
    const message = `Organization ${mapping.slug} lives in cell ${mapping.cellName}, which is not in the fleet.`;
    throw createRpcError(Code.NotFound, "CELL_NOT_FOUND", message, { metadata: { cell: mapping.cellName } });
  }

  async function singleOrganization() {
    const { cells } = await options.directory().listCells({});
    const list = (cellName: string) => options.directory().listOrganizationMappings({ cellName, pageSize: 2 });
    const mappings = (await Promise.all(cells.map(({ name }) => list(name)))).flatMap((page) => page.mappings);
    if (mappings.length <= 1) return toDestination(mappings[0]);
    const message = "There is more than one organization; name the one that is meant.";
    throw createRpcError(Code.FailedPrecondition, "SEVERAL_ORGANIZATIONS", message);
  }

  return {
    byCellName,
    byOrganizationSlug: (slug) => findOrganization({ case: "slug", value: slug }),
    byOrganizationId: (organizationId) => findOrganization({ case: "organizationId", value: organizationId }),
    singleOrganization,
  };
}
