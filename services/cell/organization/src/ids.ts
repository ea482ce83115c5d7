import { cellNumberOfSnowflake, nextSnowflake, type Queryable } from "@cellway/database";
import type { ServiceContext } from "@cellway/host";

/**
 * A new id for something in an organization, unique over all cells: it carries the number of the cell that gives it.
 * In a monolith that is the number of the organization's cell.
 */
export function nextId(context: ServiceContext, queryable: Queryable, organizationId: string): Promise<string> {
  return nextSnowflake(queryable, "CELL", ownCellNumber(context) ?? cellNumberOfSnowflake(organizationId));
}

/**
 * The number by which the ids of one cell's organizations are told from another's, where several share a database (a
 * monolith); undefined in a cell, where every organization is the cell's own, wherever its id was given out.
 */
export function sharedCellNumber(context: ServiceContext, cellName: string): number | undefined {
  return context.silo.mode === "MONOLITH" ? context.topology.cells.get(cellName)?.number : undefined;
}

function ownCellNumber({ silo, topology }: ServiceContext): number | undefined {
  return silo.mode === "CELL" ? topology.cells.get(silo.name)?.number : undefined;
}
