import { isUniqueViolation, type Queryable, rowsOf, type SiloDatabase } from "@cellway/database";
import type { EntityManager } from "typeorm";
import { OrganizationSlugReservation } from "../entities/organization-slug-reservation.js";
import { ProvisionRequest, type ProvisionState } from "../entities/provision-request.js";
import { createSlugTakenError } from "../errors.js";
import { groupByCell, isRowLeased, leaseEnd } from "./lease.js";

/** Which attempt at a request a worker makes. What it writes counts only while the request is still at it. */
export interface ProvisionLease {
  readonly requestId: string;
  readonly attempt: number;
}

/** A request with the right to work on it. */
export type LeasedRequest = ProvisionRequest;

/** Runs `work` while no other process decides about the same request id. */
export function withRequestLock<T>(
  database: SiloDatabase,
  requestId: string,
  work: (manager: EntityManager) => Promise<T>,
): Promise<T> {
  return database.transaction(async (manager) => {
    await manager.query("select pg_advisory_xact_lock(hashtextextended($1, 7202602))", [requestId]);
    return work(manager);
  });
}

/** The request of this id; null when there is none. */
export function findRequest(manager: EntityManager, requestId: string): Promise<ProvisionRequest | null> {
  return manager.findOneBy(ProvisionRequest, { requestId });
}

/**
 * Takes the slug and writes the request down, leased to the caller.
 *
 * @throws ALREADY_EXISTS / SLUG_TAKEN; the transaction is then to be given up.
 */
export async function insertRequest(
  manager: EntityManager,
  request: Pick<ProvisionRequest, "requestId" | "fingerprint" | "organizationId" | "slug" | "locality" | "cellName">,
): Promise<LeasedRequest> {
  try {
    await manager.insert(OrganizationSlugReservation, {
      slug: request.slug,
      organizationId: request.organizationId,
      cellName: request.cellName,
    });
  } catch (error) {
    throw isUniqueViolation(error) ? createSlugTakenError(request.slug, error) : error;
  }
  const row = manager.create(ProvisionRequest, { ...request, state: "pending", attempt: 1 });
  await manager.insert(ProvisionRequest, { ...request, state: "pending", attempt: 1, leaseUntil: leaseEnd });
  return row;
}

/** Leases a request to the caller; whoever held it before can write no more. */
export async function takeOver(manager: EntityManager, request: ProvisionRequest): Promise<LeasedRequest> {
  const attempt = request.attempt + 1;
  await manager.update(ProvisionRequest, { requestId: request.requestId }, { attempt, leaseUntil: leaseEnd });
  return manager.merge(ProvisionRequest, manager.create(ProvisionRequest), request, { attempt });
}

/** Whether the worker that holds a request may still be at it. */
export function isLeased(db: Queryable, request: ProvisionRequest): Promise<boolean> {
  return isRowLeased(db, { table: "control.provision_request", key: "request_id", value: request.requestId });
}

/** Moves a request on, if it is still at this attempt and in this state. @returns whether it was. */
export async function moveOn(
  db: Queryable,
  lease: ProvisionLease,
  from: ProvisionState,
  to: ProvisionState,
): Promise<boolean> {
  const result = await db.query(
    `with moved as (
        update control.provision_request set state = $4 where request_id = $1 and attempt = $2 and state = $3 returning 1
      ) select count(*)::int as count from moved`,
    [lease.requestId, lease.attempt, from, to],
  );
  return (rowsOf<{ count: number }>(result)[0]?.count ?? 0) === 1;
}

/** Gives the slug of a request up, unless the organization is mapped. */
export async function releaseSlug(db: Queryable, organizationId: string): Promise<void> {
  await db.query(
    `delete from control.organization_slug_reservation r where r.organization_id = $1
      and not exists (select 1 from control.organization_mapping m where m.organization_id = r.organization_id)`,
    [organizationId],
  );
}

/** Forgets a request that is pending at this attempt. @returns whether it was. */
export async function deletePending(db: Queryable, lease: ProvisionLease): Promise<boolean> {
  const result = await db.query(
    `with deleted as (
        delete from control.provision_request where request_id = $1 and attempt = $2 and state = 'pending' returning 1
      ) select count(*)::int as count from deleted`,
    [lease.requestId, lease.attempt],
  );
  return (rowsOf<{ count: number }>(result)[0]?.count ?? 0) === 1;
}

/**
 * Forgets a request whose organization the cell has forgotten. Whoever was told so may do it: once a request is
 * cancelling, its organization can never come to be.
 */
export async function deleteCancelled(
  db: Queryable,
  request: Pick<ProvisionRequest, "requestId" | "organizationId">,
): Promise<void> {
  await db.query(
    "delete from control.provision_request where request_id = $1 and organization_id = $2 and state = 'cancelling'",
    [request.requestId, request.organizationId],
  );
}

/** Requests of a slug that were given up and whose cell has not forgotten their organization yet. */
export function findCancelling(manager: EntityManager, cellName: string, slug: string): Promise<ProvisionRequest[]> {
  return manager.findBy(ProvisionRequest, { cellName, slug, state: "cancelling" });
}

/** Ids of up to `limit` unfinished requests whose worker has been silent for too long, by cell, oldest first. */
export async function findAbandonedRequests(db: Queryable, limit: number): Promise<Map<string, string[]>> {
  const sql = `select request_id as id, cell_name from control.provision_request
    where state <> 'done' and lease_until < now() order by lease_until limit $1`;
  return groupByCell(rowsOf(await db.query(sql, [limit])));
}
