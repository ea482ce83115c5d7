export { ADVISORY_LOCK_CLASS } from "./advisory-locks.js";
export { type StepQuery, withCommitStep } from "./commit-step.js";
export { parseDatabaseUrl, toPgConfig } from "./connection.js";
export { applicationNameOf, type ListLiveVersions, type ReportedVersion } from "./contract-gate.js";
export {
  CrossSiloReference,
  CrossSiloReferenceError,
  type CrossSiloReferenceInfo,
  type OnDelete,
  readCrossSiloReferences,
} from "./cross-silo-references.js";
export { type OpenDatabaseOptions, openDatabase, SiloDatabase } from "./database.js";
export { isAlive } from "./embedded/cluster.js";
export { EmbeddedPostgresError } from "./embedded/errors.js";
export {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from "./embedded/start-embedded-postgres.js";
export {
  CellEntity,
  ControlEntity,
  type EntityClass,
  GeneratedIdColumn,
  IdColumn,
  listMarkedEntities,
  localModeOfEntity,
  type SiloEntityOptions,
  type SiloTable,
  schemaOf,
  siloTableOf,
} from "./entities.js";
export {
  DatabaseConnectError,
  endsSession,
  isDatabaseUnavailable,
  isForeignKeyViolation,
  isUniqueViolation,
  sqlStateOf,
} from "./errors.js";
export { type AppliedMigration, type MigrateOptions, migrate } from "./migrate.js";
export { findTooNew, type PendingMigration, pendingMigrations, type SqlQuery } from "./migration-plan.js";
export {
  type Migration,
  MigrationError,
  type MigrationPhase,
  type MigrationSet,
  readMigrations,
  readTemplateSet,
} from "./migrations.js";
export { assertServerVersion, SERVER_VERSION_MIN, type TimeoutMode } from "./probe.js";
export { type Queryable, rowsOf } from "./queryable.js";
export { createSequenceTail, type SequenceTail, type SequenceTailOptions } from "./sequence-tail.js";
export { cellNumberOfSnowflake, createdAtOfSnowflake, nextSnowflake } from "./snowflake.js";
