import { createHash } from "node:crypto";
import { rowsOf } from "@cellway/database";
import type { EntityManager } from "typeorm";
import type { CellStateName } from "../entities/cell.js";
import { LocalityRow } from "../entities/locality.js";
import { createCellNotFoundError, createLocalityFullError, createLocalityNotFoundError } from "../errors.js";

/** A cell that an organization may be placed in. */
export interface Candidate {
  readonly name: string;
  readonly number: number;
  readonly weight: number;
  readonly capacity: number | null;
  readonly state: CellStateName;
}

/**
 * Chooses the cell of a new organization: the one that the locality names for them, else one of all its cells. A cell
 * that is draining, or has as many organizations as its capacity, those being created included, takes none. Holds, until
 * the transaction ends, what makes that true: the cell stays, and its last place is not given away twice.
 *
 * @throws NOT_FOUND / LOCALITY_NOT_FOUND · RESOURCE_EXHAUSTED / LOCALITY_FULL.
 */
export async function placeOrganization(
  manager: EntityManager,
  localityName: string,
  requestId: string,
): Promise<Candidate> {
  const locality = await manager.findOneBy(LocalityRow, { name: localityName });
  if (locality === null) throw createLocalityNotFoundError(localityName);
  const candidates = await listCandidates(manager, locality);
  if (candidates.length === 0 && locality.newOrganizationCell !== "")
    throw createCellNotFoundError(locality.newOrganizationCell);
  const active = candidates.filter((cell) => cell.state === "ACTIVE");
  const full = await findFull(manager, localityName, active);
  const chosen = chooseCell(
    active.filter((cell) => !full.has(cell.name)),
    requestId,
  );
  if (chosen !== undefined) return chosen;
  const reasons = candidates.map(({ name, state }) => `${name} is ${state === "ACTIVE" ? "full" : "draining"}`);
  throw createLocalityFullError(localityName, reasons);
}

/** Whether {@link placeOrganization} may choose a cell of the locality that has so many organizations. */
export function takesNewOrganizations(
  { name, state, capacity }: Pick<Candidate, "name" | "state" | "capacity">,
  { newOrganizationCell }: Pick<LocalityRow, "newOrganizationCell">,
  organizations: number,
): boolean {
  if (newOrganizationCell !== "" && newOrganizationCell !== name) return false;
  return state === "ACTIVE" && (capacity === null || organizations < capacity);
}

/**
 * Weighted rendezvous hashing (Thaler and Ravishankar 1998, with the weights of Schindelhauer and Schomaker 2005): each
 * cell draws a number from the request id, and the one that comes first by its weight wins. Nothing is counted, the same
 * request chooses the same cell again, and when a cell comes or goes only what it gains or loses is placed otherwise.
 */
export function chooseCell<C extends Pick<Candidate, "name" | "weight">>(
  cells: readonly C[],
  requestId: string,
): C | undefined {
  let chosen: C | undefined;
  let best = Number.POSITIVE_INFINITY;
  for (const cell of cells) {
    const arrival = -Math.log(drawOf(cell.name, requestId)) / cell.weight;
    if (arrival < best) [chosen, best] = [cell, arrival];
  }
  return chosen;
}

/** A number between 0 and 1, neither included, even over requests. */
function drawOf(cell: string, requestId: string): number {
  const digest = createHash("sha256").update(`${cell}\0${requestId}`).digest();
  return (digest.readUIntBE(0, 6) + 0.5) / 2 ** 48;
}

async function listCandidates(manager: EntityManager, locality: LocalityRow): Promise<Candidate[]> {
  // A cell that is being removed is waited for; one that is chosen cannot be removed.
  const sql = `select name, number, weight, capacity, state from control.cell
    where locality = $1 and ($2 = '' or name = $2) order by name for key share`;
  return rowsOf<Candidate>(await manager.query(sql, [locality.name, locality.newOrganizationCell]));
}

/** Names of the cells without a place. One transaction at a time for each locality whose cells have a capacity. */
async function findFull(
  manager: EntityManager,
  localityName: string,
  cells: readonly Candidate[],
): Promise<ReadonlySet<string>> {
  const limited = cells.filter((cell) => cell.capacity !== null);
  if (limited.length === 0) return new Set();
  await manager.query("select pg_advisory_xact_lock(hashtextextended($1, 7202606))", [localityName]);
  // No more rows are looked at than a cell has places.
  const sql = `select c.name from unnest($1::text[], $2::int[]) as c (name, capacity)
    where c.capacity <= (select count(*) from (
      select from control.organization_slug_reservation r where r.cell_name = c.name and r.kind = 'PRIMARY'
      limit c.capacity) as taken)`;
  const parameters = [limited.map((cell) => cell.name), limited.map((cell) => cell.capacity)];
  return new Set(rowsOf<{ name: string }>(await manager.query(sql, parameters)).map((row) => row.name));
}
