import { rowsOf, type SiloDatabase } from "@cellway/database";
import type { ServiceContext } from "@cellway/host";
import type { RouteKey } from "@cellway/locator";
import { type CellResolver, createRpcError, type Destination } from "@cellway/rpc";
import { Code } from "@connectrpc/connect";
import { type ControlRoutes, controlRoutesOf } from "./feed/control-routes.js";

/**
 * Finds cells in the memory of control's own locator. What that does not know is asked of the directory's tables, so that
 * an organization that was just created is found at once.
 */
export function createDirectoryResolver(
  context: Pick<ServiceContext, "database" | "logger" | "metrics" | "now">,
): CellResolver {
  const { database } = context;
  const routes = controlRoutesOf(context);
  return {
    byOrganizationSlug: (slug) => findOrganization(routes, { kind: "slug", value: slug }),
    byOrganizationId: (organizationId) => findOrganization(routes, { kind: "id", value: organizationId }),
    async byCellName(name) {
      const cell = await routes.locator.findCell(name);
      return cell === undefined ? undefined : { silo: cell.name, address: cell.address };
    },
    singleOrganization: () => findSingleOrganization(database),
  };
}

async function findOrganization({ locator, isFresh }: ControlRoutes, key: RouteKey): Promise<Destination | undefined> {
  const finding = isFresh ? await locator.find(key) : await locator.findAnew(key);
  if (finding.outcome !== "routed") return undefined;
  return { silo: finding.cell.name, address: finding.cell.address };
}

async function findSingleOrganization(database: SiloDatabase): Promise<Destination | undefined> {
  const sql = `select c.name, c.rpc_address from control.cell c
    join control.organization_mapping m on m.cell_name = c.name limit 2`;
  const [first, second] = rowsOf<{ name: string; rpc_address: string }>(await database.query(sql));
  if (second !== undefined) {
    throw createRpcError(
      Code.FailedPrecondition,
      "SEVERAL_ORGANIZATIONS",
      "There is more than one organization; say which one is meant.",
    );
  }
  return first === undefined ? undefined : { silo: first.name, address: first.rpc_address };
}
