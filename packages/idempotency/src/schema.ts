import { type MigrationSet, readTemplateSet } from "@cellway/database";
import type { LocalMode } from "@cellway/silo";

/** The migrations of one side's idempotency keys. */
export function idempotencyMigrations(localMode: LocalMode): Promise<MigrationSet> {
  return readTemplateSet(new URL("../migrations/", import.meta.url), { service: "idempotency", localMode, lock: "0" });
}
