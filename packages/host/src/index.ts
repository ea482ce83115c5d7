export { migrateSilo, migrationSetsOf } from "./migrate-silo.js";
export {
  implementContract,
  type ServedContract,
  type ServiceContext,
  type ServiceModule,
  type TaskDefinition,
} from "./module.js";
export { type RunningSilo, type SiloConfig, startSilo } from "./silo.js";
export { createTaskRunner, type TaskRunner } from "./tasks.js";
