import { appendFileSync, existsSync } from "node:fs";
import { startEmbeddedPostgres } from "@cellway/database";
import { migrateSilo } from "@cellway/host";
import { ConfigError, createCellSilo, createControlSilo, createMonolithSilo, type Silo } from "@cellway/silo";
import { MODULES } from "../modules.js";
import type { DataFolder } from "./data-folder.js";
import type { FleetPlan, PlannedSilo } from "./fleet-plan.js";

/** A PostgreSQL with a migrated database for each silo. */
export interface FleetDatabases {
  urlOf(silo: PlannedSilo): string;
  /** Migrations that were applied now, over all databases. */
  readonly appliedCount: number;
  /** Calls `listener` once if the server ends by itself. */
  onLost(listener: () => void): void;
  stop(): Promise<void>;
}

const WATCH_INTERVAL_MS = 1_000;

/**
 * Migrates the databases of a PostgreSQL that is not ours: they exist. Nothing of it is started, watched or stopped.
 *
 * @param urlTemplate - a URL with `{silo}` in place of what differs from silo to silo.
 * @throws ConfigError when it would give several silos the same database.
 */
export async function openForeignDatabases(urlTemplate: string, plan: FleetPlan): Promise<FleetDatabases> {
  if (plan.silos.length > 1 && !urlTemplate.includes("{silo}")) {
    throw new ConfigError(
      "environment variable CELLWAY_DATABASE_URL",
      "",
      "(hidden)",
      "must hold {silo}, so that each silo has its own database, or be unset for an embedded PostgreSQL",
    );
  }
  const urlOf = (silo: PlannedSilo) => urlTemplate.replaceAll("{silo}", silo.database);
  const applied = await Promise.all(
    plan.silos.map((silo) =>
      migrateSilo({ silo: toSilo(silo, plan), databaseUrl: urlOf(silo), modules: MODULES, phase: "all" }),
    ),
  );
  return { urlOf, appliedCount: applied.flat().length, onLost: () => undefined, stop: async () => undefined };
}

/** Starts PostgreSQL on the folder, and creates and migrates what is missing. Leaves nothing running when it fails. */
export async function openEmbeddedDatabases(folder: DataFolder, plan: FleetPlan): Promise<FleetDatabases> {
  const logFile = folder.logFile("postgresql");
  const postgres = await startEmbeddedPostgres({
    dataDir: folder.postgresDir,
    durable: true,
    log: (line) => appendFileSync(logFile, `${line}\n`, { mode: 0o600 }),
  });
  let watch: NodeJS.Timeout | undefined;
  const stop = () => {
    clearInterval(watch);
    return postgres.stop();
  };
  try {
    const applied = await Promise.all(
      plan.silos.map(async (silo) => {
        const databaseUrl = await postgres.createDatabase(silo.database, { ifMissing: true });
        return migrateSilo({ silo: toSilo(silo, plan), databaseUrl, modules: MODULES, phase: "all" });
      }),
    );
    return {
      urlOf: (silo) => postgres.url(silo.database),
      appliedCount: applied.flat().length,
      onLost(listener) {
        // The server takes its socket's folder with it, however it ends.
        watch = setInterval(() => {
          if (existsSync(postgres.socketDir)) return;
          clearInterval(watch);
          listener();
        }, WATCH_INTERVAL_MS);
        watch.unref();
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function toSilo(planned: PlannedSilo, plan: FleetPlan): Silo {
  if (planned.kind === "control") return createControlSilo();
  return planned.kind === "cell" ? createCellSilo(planned.name) : createMonolithSilo([...plan.topology.cells.keys()]);
}
