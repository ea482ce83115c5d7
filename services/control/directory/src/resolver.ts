import { rowsOf, type SiloDatabase } from "@cellway/database";
import { type CellResolver, createRpcError, type Destination } from "@cellway/rpc";
import { Code } from "@connectrpc/connect";
import { routeCacheOf } from "./store/route-cache.js";

interface RouteRow {
  readonly name: string;
  readonly rpc_address: string;
}

const ROUTE = "select c.name, c.rpc_address from control.cell c";
/** By any slug that leads to the organization: its own, an alias, or the one that a rename is giving it. */
const ROUTE_OF_SLUG = `${ROUTE} join control.organization_mapping m on m.cell_name = c.name
  join control.organization_slug_reservation s on s.organization_id = m.organization_id where s.slug = $1`;

/**
 * Finds cells in the directory's own tables. Answers are kept for a short time; that there is none is not, because an
 * organization that was just created must be found at once.
 */
export function createDirectoryResolver(database: SiloDatabase): CellResolver {
  const routes = routeCacheOf(database);

  async function find(key: string, sql: string, parameters: unknown[]): Promise<Destination | undefined> {
    const known = routes.get(key);
    if (known !== undefined) return known;
    const [row] = rowsOf<RouteRow>(await database.query(sql, parameters));
    if (row === undefined) return undefined;
    const destination = { silo: row.name, address: row.rpc_address };
    routes.set(key, destination);
    return destination;
  }

  return {
    byOrganizationSlug: (slug) => find(`slug:${slug}`, ROUTE_OF_SLUG, [slug]),
    byOrganizationId: (organizationId) =>
      find(
        `id:${organizationId}`,
        `${ROUTE} join control.organization_mapping m on m.cell_name = c.name where m.organization_id = $1`,
        [organizationId],
      ),
    byCellName: (cell) => find(`cell:${cell}`, `${ROUTE} where c.name = $1`, [cell]),
    async singleOrganization() {
      const sql = `${ROUTE} join control.organization_mapping m on m.cell_name = c.name limit 2`;
      const [first, second] = rowsOf<RouteRow>(await database.query(sql));
      if (second !== undefined) {
        throw createRpcError(
          Code.FailedPrecondition,
          "SEVERAL_ORGANIZATIONS",
          "There is more than one organization; say which one is meant.",
        );
      }
      return first === undefined ? undefined : { silo: first.name, address: first.rpc_address };
    },
  };
}
