import { rowsOf } from "@cellway/database";
import type { EntityManager } from "typeorm";
import type { OrganizationRow } from "../entities/organization.js";
import type { OrganizationMemberRow } from "../entities/organization-member.js";
import { PendingDirectoryUpdateRow } from "../entities/pending-directory-update.js";
import { nextVersion } from "./organization-member.js";

/** Rows that one message to the directory answers for; it takes no more members. */
const UPDATES_PER_MESSAGE_MAX = 200;

type Subject = Pick<OrganizationRow, "id" | "isConfirmed">;

/**
 * Notes that lists show something new of the organization. This and its like belong into the transaction of the change,
 * under the organization's lock; while the organization is unconfirmed they note nothing.
 */
export async function recordOrganizationChange(manager: EntityManager, organization: Subject): Promise<void> {
  if (!organization.isConfirmed) return;
  await manager.insert(PendingDirectoryUpdateRow, {
    organizationId: organization.id,
    kind: "organization",
    objectId: organization.id,
  });
}

/** Notes that a member is new, or has another role, user or state of invitation. */
export async function recordMemberChange(
  manager: EntityManager,
  organization: Subject,
  memberId: string,
): Promise<void> {
  if (!organization.isConfirmed) return;
  await manager.insert(PendingDirectoryUpdateRow, {
    organizationId: organization.id,
    kind: "member",
    objectId: memberId,
  });
}

/**
 * Notes that a member is gone, with a version greater than all that it had. While the organization is unconfirmed the
 * note is held back for the confirmation: the directory may have been given its first owner when it was created.
 */
export async function recordMemberRemoval(
  manager: EntityManager,
  organization: Subject,
  member: Pick<OrganizationMemberRow, "id" | "version">,
): Promise<void> {
  await manager.query(
    `insert into cell.pending_directory_update (organization_id, kind, object_id, payload, retry_at)
     values ($1, 'member', $2, $3, case when $4 then now() else 'infinity'::timestamptz end)`,
    [organization.id, member.id, JSON.stringify({ version: nextVersion(member.version) }), organization.isConfirmed],
  );
}

/** Notes that the organization was purged; nothing else of it is worth telling any more. */
export async function recordOrganizationDeleted(manager: EntityManager, organization: Subject): Promise<void> {
  await manager.delete(PendingDirectoryUpdateRow, { organizationId: organization.id });
  if (!organization.isConfirmed) return;
  await manager.insert(PendingDirectoryUpdateRow, {
    organizationId: organization.id,
    kind: "organization_deleted",
    objectId: organization.id,
  });
}

/** Notes everything that the directory shows of an organization that is being confirmed. */
export async function recordEverything(manager: EntityManager, organizationId: string): Promise<void> {
  await manager.query("update cell.pending_directory_update set retry_at = now() where organization_id = $1", [
    organizationId,
  ]);
  await manager.query(
    `insert into cell.pending_directory_update (organization_id, kind, object_id)
     select id, 'organization', id from cell.organization where id = $1
     union all
     (select organization_id, 'member', id from cell.organization_member where organization_id = $1 order by id)`,
    [organizationId],
  );
}

/** Organizations with rows that are due, those of the oldest row first, out of the `limit` oldest rows. */
export async function listDueOrganizations(manager: EntityManager, limit: number): Promise<string[]> {
  const result = await manager.query(
    "select organization_id from cell.pending_directory_update where retry_at <= now() order by id limit $1",
    [limit],
  );
  return [...new Set(rowsOf<{ organization_id: string }>(result).map((row) => row.organization_id))];
}

/** The oldest rows of an organization, at most {@link UPDATES_PER_MESSAGE_MAX}: those put off too, not those held back. */
export function listUpdates(manager: EntityManager, organizationId: string): Promise<PendingDirectoryUpdateRow[]> {
  return manager
    .createQueryBuilder(PendingDirectoryUpdateRow, "pending")
    .where("pending.organization_id = :organizationId and pending.retry_at < 'infinity'", { organizationId })
    .orderBy("pending.id", "ASC")
    .limit(UPDATES_PER_MESSAGE_MAX)
    .getMany();
}

/** Those of the organizations that have rows to be delivered. */
export async function findPendingOrganizations(
  manager: EntityManager,
  organizationIds: readonly string[],
): Promise<Set<string>> {
  const result = await manager.query(
    "select distinct organization_id from cell.pending_directory_update where organization_id = any($1::bigint[]) and retry_at < 'infinity'",
    [organizationIds],
  );
  return new Set(rowsOf<{ organization_id: string }>(result).map((row) => row.organization_id));
}

/** Deletes delivered rows. */
export async function deleteUpdates(manager: EntityManager, ids: readonly string[]): Promise<void> {
  await manager.query("delete from cell.pending_directory_update where id = any($1::bigint[])", [ids]);
}

/** Puts rows off after a failed delivery: for 1 s, then 2, 4 … and at most 30. */
export async function postponeUpdates(manager: EntityManager, ids: readonly string[], error: string): Promise<void> {
  await manager.query(
    `update cell.pending_directory_update
     set attempts = attempts + 1, last_error = $2, retry_at = now() + least(power(2, least(attempts, 10)), 30) * interval '1 second'
     where id = any($1::bigint[])`,
    [ids, error],
  );
}
