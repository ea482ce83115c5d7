import { schemaOf } from "./entities.js";
import type { PendingMigration, SqlQuery } from "./migration-plan.js";
import { MigrationError } from "./migrations.js";
import { rowsOf } from "./queryable.js";
import { isOlderRelease } from "./releases.js";

/** How connections of migrate call themselves. */
export const MIGRATE_APPLICATION = "cellway-migrate";

/** Processes of one release that have reported themselves. */
export interface ReportedVersion {
  readonly version: string;
  readonly processes: number;
}

/** Which releases have reported that they run on a database; {@link MigrateOptions.listLiveVersions}. */
export type ListLiveVersions = (query: SqlQuery, schema: "control" | "cell") => Promise<readonly ReportedVersion[]>;

/**
 * Refuses a contract step while a process may run that is older than what the step needs. Such a process is found by what
 * it reports and by its connections, so that one which reports nothing is found too.
 *
 * @throws MigrationError naming the processes.
 */
export async function assertNobodyIsOlder(
  entry: PendingMigration,
  options: { query: SqlQuery; listLiveVersions?: ListLiveVersions | undefined },
): Promise<void> {
  const { migration, localMode, service } = entry;
  const needs = migration.needs ?? "";
  const older = [
    ...(await findReported(options, schemaOf(localMode), needs)),
    ...(await findConnected(options.query, needs)),
  ];
  if (older.length === 0) return;
  throw new MigrationError(
    `The migration ${schemaOf(localMode)}/${service}/${migration.name} drops what releases before ${needs} use, and these run: ` +
      `${older.join(", ")}. Replace or stop them first, then run it again; nothing of it was applied.`,
  );
}

/**
 * The name of a process's connections: with its release, so that a contract step sees who is connected.
 *
 * @param version - none for a process that was not told its release; it then holds back every contract step.
 */
export function applicationNameOf(siloName: string, version: string | undefined): string {
  return version === undefined ? `cellway-${siloName}` : `cellway-${siloName}/${version}`;
}

async function findReported(
  { query, listLiveVersions }: { query: SqlQuery; listLiveVersions?: ListLiveVersions | undefined },
  schema: "control" | "cell",
  needs: string,
): Promise<string[]> {
  const versions = (await listLiveVersions?.(query, schema)) ?? [];
  return versions
    .filter(({ version }) => isOlderRelease(version, needs))
    .map(({ version, processes }) => `${processes} of release ${version} by their reports`);
}

/** Connections of outboxes are left out: their processes have others, which say more. */
async function findConnected(query: SqlQuery, needs: string): Promise<string[]> {
  const connections = rowsOf<{ name: string; address: string }>(
    await query(
      `select distinct application_name as name, coalesce(host(client_addr), 'a local socket') as address
       from pg_stat_activity
       where datname = current_database() and application_name like 'cellway-%' and application_name not like '%-outbox'
         and application_name <> $1
       order by 1, 2`,
      [MIGRATE_APPLICATION],
    ),
  );
  return connections
    .map(({ name, address }) => ({ address, parts: name.slice("cellway-".length).split("/") }))
    .filter(({ parts }) => isOlderRelease(parts[1] ?? "unknown", needs))
    .map(({ parts, address }) => `${parts[0]} of ${nameRelease(parts[1])}, connected from ${address}`);
}

function nameRelease(version: string | undefined): string {
  return version === undefined ? "a release that does not say which" : `release ${version}`;
}
