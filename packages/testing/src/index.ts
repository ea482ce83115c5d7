export { type Fleet, type FleetOptions, type FleetSilo, startFleet, TEST_MASTER_KEY } from "./fleet.js";
export { findFreePorts } from "./ports.js";
export { createTestDatabase, startTestPostgres, testPostgresUrl, withDatabase } from "./postgres.js";
export { createTestTopology } from "./topology.js";
