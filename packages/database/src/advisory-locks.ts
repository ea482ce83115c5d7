import type { LocalMode } from "@cellway/silo";

/** The first key of every advisory lock of this package ("cell" in ASCII); two-key locks of others need another. */
export const ADVISORY_LOCK_CLASS = 0x63656c6c;

/** Held while migrations run. */
export const MIGRATION_LOCK = `${ADVISORY_LOCK_CLASS}, 1`;

/** Held for the moment in which a snowflake sequence is moved up to the clock. */
export function snowflakeLockOf(localMode: LocalMode): string {
  return `${ADVISORY_LOCK_CLASS}, ${localMode === "CONTROL" ? 2 : 3}`;
}
