/**
 * What `--phase` takes. `expand`, the default, is safe at any time: old code runs on. `contract` drops what old code needs
 * and is refused while any runs. `all` is both in the order of their numbers, for a database that is new.
 */
export const MIGRATE_PHASES = ["expand", "contract", "all"] as const;

/** Which migrations `cellway migrate` applies. */
export type MigratePhase = (typeof MIGRATE_PHASES)[number];
