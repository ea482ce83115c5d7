import type { SiloDatabase } from "@cellway/database";
import { type FindOptionsWhere, LessThan } from "typeorm";
import { AuditLogEntryRow } from "../entities/audit-log-entry.js";

/** Which entries to list: of an organization, or of a user. */
export type EntrySubject = { readonly organizationId: string } | { readonly actorUserId: string };

/** Adds an entry; one that is known already changes nothing. */
export async function insertEntry(database: SiloDatabase, entry: AuditLogEntryRow): Promise<void> {
  await database.createQueryBuilder().insert().into(AuditLogEntryRow).values(entry).orIgnore().execute();
}

/**
 * Entries with the greatest id first, at most `limit + 1`, so that the caller learns whether there are more.
 *
 * @param beforeId - only lesser ids; `0` for the first page.
 */
export function listEntries(
  database: SiloDatabase,
  subject: EntrySubject,
  { beforeId, limit }: { beforeId: string; limit: number },
): Promise<AuditLogEntryRow[]> {
  const where: FindOptionsWhere<AuditLogEntryRow> = beforeId === "0" ? subject : { ...subject, id: LessThan(beforeId) };
  return database
    .getRepository(AuditLogEntryRow)
    .find({ where, order: { id: "DESC", cellName: "ASC" }, take: limit + 1 });
}
