import {
  type AppliedMigration,
  type MigrationPhase,
  type MigrationSet,
  migrate,
  readMigrations,
} from "@cellway/database";
import { fleetMigrations, listLiveVersions } from "@cellway/fleet";
import { idempotencyMigrations } from "@cellway/idempotency";
import { outboxMigrations } from "@cellway/outbox";
import { isLocalTo, type Silo } from "@cellway/silo";
import { tombstoneMigrations } from "@cellway/tombstones";
import type { ServiceModule } from "./module.js";

/** The migrations of modules, in the order of the modules, after those that each side has by itself. */
export async function migrationSetsOf(modules: readonly ServiceModule[]): Promise<MigrationSet[]> {
  const sides = [...new Set(modules.map((module) => module.localMode))];
  const fleet = await Promise.all(sides.map(fleetMigrations));
  const outboxes = await Promise.all(sides.map(outboxMigrations));
  const tombstones = await Promise.all(sides.map(tombstoneMigrations));
  const idempotency = await Promise.all(sides.map(idempotencyMigrations));
  const services = await Promise.all(
    modules.map(async (module) => ({
      service: module.name,
      localMode: module.localMode,
      migrations: await readMigrations(module.migrations),
    })),
  );
  return [...fleet, ...outboxes, ...tombstones, ...idempotency, ...services];
}

/**
 * Brings the database of a silo to what those of `modules` that are local to it need. Safe to run twice and from
 * several processes at once: one works, the others wait and find nothing to do.
 *
 * @throws MigrationError for a contract step while a process may run that is older than the step needs.
 * @returns what was applied, in order; empty when nothing was missing.
 */
export async function migrateSilo(options: {
  silo: Silo;
  databaseUrl: string;
  modules: readonly ServiceModule[];
  /** Default `all`, which is for a database that nobody else uses. */
  phase?: MigrationPhase | "all";
}): Promise<AppliedMigration[]> {
  const local = options.modules.filter((module) => isLocalTo(options.silo, module.localMode));
  return migrate({
    url: options.databaseUrl,
    sets: await migrationSetsOf(local),
    listLiveVersions,
    ...(options.phase === undefined ? {} : { phase: options.phase }),
  });
}
