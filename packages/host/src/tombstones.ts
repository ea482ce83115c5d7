import type { LocalMode } from "@cellway/silo";
import {
  cascadeTombstones,
  type Reference,
  receiveTombstones,
  resolveReferences,
  sendTombstones,
  type TombstoneSource,
} from "@cellway/tombstones";
import type { ServiceModule } from "./module.js";

/** Pause between two looks at what refers to something deleted. */
const CASCADE_INTERVAL_MS = 2_000;

/** What the modules of one side declare about deletions. */
interface SideTombstones {
  readonly references: readonly Reference[];
  readonly sources: readonly TombstoneSource[];
}

/** The declarations of both sides: a silo needs to know what the other one tells. */
export type Tombstones = Readonly<Record<LocalMode, SideTombstones>>;

/**
 * Reads what modules declare about deletions.
 *
 * @throws CrossSiloReferenceError for a declaration that contradicts its entity.
 */
export function declareTombstones(modules: readonly ServiceModule[]): Tombstones {
  return { CONTROL: declareSide(modules, "CONTROL"), CELL: declareSide(modules, "CELL") };
}

function declareSide(modules: readonly ServiceModule[], localMode: LocalMode): SideTombstones {
  const own = modules.filter((module) => module.localMode === localMode);
  return {
    references: resolveReferences(
      own.flatMap((module) => module.entities),
      own.flatMap((module) => module.cascades ?? []),
    ),
    sources: own.flatMap((module) => module.tombstones ?? []),
  };
}

/** For each of these sides what tells its deletions, notes those of the other side, and works through them. */
export function createTombstoneModules(tombstones: Tombstones, sides: Iterable<LocalMode>): ServiceModule[] {
  return [...sides].map((localMode) => createTombstoneModule(tombstones, localMode));
}

function createTombstoneModule(tombstones: Tombstones, localMode: LocalMode): ServiceModule {
  const { references, sources } = tombstones[localMode];
  const remote = tombstones[localMode === "CELL" ? "CONTROL" : "CELL"];
  return {
    name: "tombstones",
    localMode,
    entities: [],
    // Its migrations are the package's: see migrationSetsOf.
    contracts: () => [],
    tasks: [
      {
        name: `tombstones.cascade-${localMode.toLowerCase()}`,
        localMode,
        intervalMs: CASCADE_INTERVAL_MS,
        run: ({ database, logger, metrics }) => cascadeTombstones({ database, references, logger, metrics }),
      },
    ],
    routes: [],
    sends: sources.flatMap((source) => (source.kind === "tells" ? [sendTombstones(source)] : [])),
    receives: ({ database }) =>
      remote.sources.flatMap((source) =>
        source.kind === "tells" ? [receiveTombstones(database, localMode, source)] : [],
      ),
  };
}
