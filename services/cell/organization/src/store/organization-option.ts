import type { JsonValue } from "@bufbuild/protobuf";
import { rowsOf } from "@cellway/database";
import { AuditEvent } from "@cellway/gen/cellway/audit/v1/records";
import type { EntityManager } from "typeorm";
import { recordAudit } from "../audit.js";
import { OrganizationOptionRow } from "../entities/organization-option.js";

/** What an option is set to, in an object of its own since it may be null; undefined when it is not set. */
export async function findOption(
  manager: EntityManager,
  organizationId: string,
  key: string,
): Promise<{ readonly value: JsonValue } | undefined> {
  const sql = "select value from cell.organization_option where organization_id = $1 and key = $2";
  return rowsOf<{ value: JsonValue }>(await manager.query(sql, [organizationId, key]))[0];
}

/**
 * Sets an option, whatever it was. Fails with a foreign key violation when there is no such organization.
 *
 * @param option.json - JSON that PostgreSQL can store: no NUL in it, no half of a surrogate pair.
 */
export async function writeOption(
  manager: EntityManager,
  option: { organizationId: string; key: string; json: string; updatedAt: Date },
): Promise<void> {
  const { organizationId, key, json, updatedAt } = option;
  await manager.transaction(async (own) => {
    await own.query(
      `insert into cell.organization_option (organization_id, key, value, updated_at) values ($1, $2, $3::jsonb, $4)
       on conflict (organization_id, key) do update set value = excluded.value, updated_at = excluded.updated_at`,
      [organizationId, key, json, updatedAt],
    );
    const entry = { organizationId, event: AuditEvent.OPTION_SET, targetId: organizationId, details: { key } };
    await recordAudit(own, entry);
  });
}

/** Removes an option; false when it was not set. */
export async function deleteOption(manager: EntityManager, organizationId: string, key: string): Promise<boolean> {
  return manager.transaction(async (own) => {
    const { affected } = await own.delete(OrganizationOptionRow, { organizationId, key });
    if ((affected ?? 0) === 0) return false;
    const entry = { organizationId, event: AuditEvent.OPTION_REMOVED, targetId: organizationId, details: { key } };
    await recordAudit(own, entry);
    return true;
  });
}
