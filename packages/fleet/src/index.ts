export type { FleetOperator } from "./operator.js";
export { createProcessRegistry, type ProcessRegistry, type ProcessRegistryOptions } from "./registry.js";
export { fleetMigrations, type LiveVersion, listLiveVersions } from "./schema.js";
