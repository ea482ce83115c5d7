import type { ServiceModule } from "@cellway/host";
import type { IngestOptions } from "./options.js";
import { createIngestRoutes } from "./routes.js";
import { createIngestStates } from "./state.js";
import { createDropExpiredEnvelopes } from "./tasks/drop-expired-envelopes.js";

export { DEFAULT_INGEST_LIMITS, type IngestLimits, type IngestOptions } from "./options.js";

/** What clients send for the projects of a cell: taken in, stored as it is, kept for some days. */
export function createIngestModule(options: IngestOptions = {}): ServiceModule {
  const stateOf = createIngestStates(options);
  return {
    name: "ingest",
    localMode: "CELL",
    entities: [],
    migrations: new URL("../migrations/", import.meta.url),
    contracts: () => [],
    tasks: [createDropExpiredEnvelopes(stateOf)],
    routes: [],
    internalRoutes: createIngestRoutes(stateOf),
  };
}

/** The same, told nothing: no Relay may ask for configurations. */
export const ingestModule: ServiceModule = createIngestModule();
