import {
  applicationNameOf,
  findTooNew,
  type MigrationSet,
  openDatabase,
  pendingMigrations,
  type SiloDatabase,
  type SqlQuery,
} from "@cellway/database";
import type { ProcessRegistry } from "@cellway/fleet";
import { findUntracked, type Outbox } from "@cellway/outbox";
import {
  type CellResolver,
  createRpcRuntime,
  type KeyRing,
  type MethodSwitch,
  type Network,
  type ReflectionAccess,
  type RpcLimits,
  type RpcRuntime,
} from "@cellway/rpc";
import { isLocalTo, type LocalMode, type Silo, type Topology } from "@cellway/silo";
import { createUsageLog, type Logger, type Metrics, type UsageLog } from "@cellway/telemetry";
import { findUnwired } from "@cellway/tombstones";
import { translateDatabaseError } from "./database-errors.js";
import { joinFleet } from "./fleet.js";
import type { HttpPolicy } from "./http-server.js";
import { createIdempotencyModules } from "./idempotency.js";
import { prepareModules, stopModules } from "./lifecycle.js";
import { migrationSetsOf } from "./migrate-silo.js";
import type { ServiceContext, ServiceModule } from "./module.js";
import { createOutboxes, serveInbox, serveOutboxes, sourcesOf } from "./outboxes.js";
import { startPublicServer } from "./public-server.js";
import type { SchemaCheck } from "./readiness.js";
import { createSiloReadiness } from "./silo-readiness.js";
import { createStop, DEFAULT_GRACE_MS, stopAll } from "./stop-silo.js";
import { createTaskRunner, type TaskRunner } from "./tasks.js";
import { createTombstoneModules, declareTombstones, type Tombstones } from "./tombstones.js";

/** What a silo is told. */
export interface SiloConfig extends HttpPolicy {
  readonly silo: Silo;
  /** The release that this process runs, such as `0.2.0`. Default `unknown`. */
  readonly version?: string;
  readonly topology: Topology;
  /** `postgres://…`, a migrated PostgreSQL 14 or later. */
  readonly databaseUrl: string;
  /** Origin to serve RPC at; port 0 lets the system choose. Never the public port. */
  readonly rpcListen: string;
  /** Origin to serve HTTP at. */
  readonly httpListen: string;
  readonly keys: KeyRing;
  readonly methodSwitch: MethodSwitch;
  readonly network: Network;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** What of this process is used that is to be removed. Default an empty log. */
  readonly usage?: UsageLog;
  /** Old names that it was told something by, of the alias table: counted as used for as long as it runs. */
  readonly oldNames?: Iterable<string>;
  readonly tokensAllowed: boolean;
  readonly reflection: ReflectionAccess;
  readonly limits?: Partial<RpcLimits>;
  /** False sends JSON bodies. Default true. */
  readonly useBinaryFormat?: boolean;
  /** Default `Date.now`. */
  readonly now?: () => number;
  /** Database connections per side. Default 10. */
  readonly poolMax?: number;
}

/** A silo in service. */
export interface RunningSilo {
  readonly silo: Silo;
  readonly rpc: RpcRuntime;
  readonly rpcAddress: string;
  readonly httpAddress: string;
  readonly tasks: Pick<TaskRunner, "runNow">;
  /** This process in the tables of one side; throws when this silo does not have it. */
  registry(localMode: LocalMode): ProcessRegistry;
  /** What one side tells the other; throws when this silo does not have it. */
  outbox(localMode: LocalMode): Outbox;
  /** The tables of one side; throws when this silo does not have it. */
  database(localMode: LocalMode): SiloDatabase;
  /** Finishes what is under way, for at most `graceMs` (default 3,000), and lets go of everything. Safe to call twice. */
  stop(options?: { graceMs?: number }): Promise<void>;
}

/**
 * Starts a silo with those of `modules` that are local to it. Fails, leaving nothing open, when the database cannot
 * be reached, a contract cannot be served or a port is taken. While migrations are pending it starts without being ready.
 */
export async function startSilo(config: SiloConfig, modules: readonly ServiceModule[]): Promise<RunningSilo> {
  const undo: (() => Promise<unknown>)[] = [];
  try {
    return await openSilo({ usage: createUsageLog(), ...config }, modules, undo);
  } catch (error) {
    for (const close of undo.reverse()) await close().catch(() => undefined);
    throw error;
  }
}

async function openSilo(
  config: SiloConfig & { readonly usage: UsageLog },
  modules: readonly ServiceModule[],
  undo: (() => Promise<unknown>)[],
): Promise<RunningSilo> {
  const services = modules.filter((module) => isLocalTo(config.silo, module.localMode));
  const tombstones = declareTombstones(modules);
  const databases = await openDatabases(config, services, undo);
  const local = [
    ...services,
    ...createTombstoneModules(tombstones, databases.keys()),
    ...createIdempotencyModules(databases.keys()),
  ];
  const schema = await createSchemaChecks(config, services, { databases, tombstones });
  let isReady = false;
  const resolver = createSiloResolver(config, local, databases);
  const rpc = createRuntime(config, resolver, () => isReady);
  const outboxes = createOutboxes(config, local, databases, rpc);
  undo.push(() => stopAll(outboxes.values()));
  const contexts = createContexts(config, local, { databases, outboxes, rpc });
  undo.push(() => stopModules(config.silo, contexts, DEFAULT_GRACE_MS));
  const tasks = createTaskRunner(config);
  const preparation = await prepareModules(config, contexts, schema);
  undo.push(() => preparation.stop());
  const readiness = createSiloReadiness(config, schema, { contexts, isPrepared: () => preparation.isDone() });
  for (const [module, context] of contexts) for (const task of module.tasks) tasks.register(task, context);
  serveContracts(config, rpc, contexts, resolver);
  serveOutboxes(rpc, outboxes);
  const { build, registries } = await joinFleet(config, rpc, databases, undo);
  const listener = await config.network.listen(config.rpcListen, rpc.endpoint());
  undo.push(() => listener.close({ graceMs: 0 }));
  const http = await startPublicServer(config, { modules, contexts, databases, rpc, readiness, build });
  undo.push(() => http.close());
  preparation.whenDone(() => {
    tasks.start();
    for (const outbox of outboxes.values()) outbox.start();
    isReady = true;
    config.logger.info(
      { ...build, rpc: listener.address, http: http.address, services: local.map((module) => module.name) },
      "the silo serves",
    );
  });
  const parts = { readiness, preparation, tasks, listener, http, contexts, databases, outboxes, registries };
  return {
    silo: config.silo,
    rpc,
    rpcAddress: listener.address,
    httpAddress: http.address,
    tasks,
    registry: (localMode) => need(registries, localMode),
    outbox: (localMode) => need(outboxes, localMode),
    database: (localMode) => need(databases, localMode),
    stop: createStop(config, parts, () => {
      isReady = false;
    }),
  };
}

async function openDatabases(
  config: SiloConfig,
  local: readonly ServiceModule[],
  undo: (() => Promise<unknown>)[],
): Promise<Map<LocalMode, SiloDatabase>> {
  const databases = new Map<LocalMode, SiloDatabase>();
  for (const localMode of ["CONTROL", "CELL"] as const) {
    if (!isLocalTo(config.silo, localMode)) continue;
    const database = await openDatabase({
      localMode,
      siloName: config.silo.name,
      url: config.databaseUrl,
      entities: local.filter((module) => module.localMode === localMode).flatMap((module) => [...module.entities]),
      applicationName: applicationNameOf(config.silo.name, config.version),
      ...(config.poolMax === undefined ? {} : { poolMax: config.poolMax }),
      onIdleConnectionError: (error) => config.logger.warn({ err: error }, "an idle database connection broke"),
    });
    undo.push(() => database.destroy());
    databases.set(localMode, database);
  }
  return databases;
}

async function createSchemaChecks(
  { version }: SiloConfig,
  local: readonly ServiceModule[],
  { databases, tombstones }: { databases: ReadonlyMap<LocalMode, SiloDatabase>; tombstones: Tombstones },
): Promise<SchemaCheck[]> {
  const sets = await migrationSetsOf(local);
  return [...databases].map(([localMode, database]) => async () => {
    const own = sets.filter((set) => set.localMode === localMode);
    return [
      ...(await findPendingNames(database, own)),
      ...(await findTooNew({ query: queryOf(database), localMode, version: version ?? "unknown" })),
      ...(await findUntracked(database, localMode, sourcesOf(local, localMode))),
      ...(await findUnwired(database, localMode, tombstones[localMode])),
    ];
  });
}

/** Contract steps are no reason to wait: they are applied once the code that runs is new. */
async function findPendingNames(database: SiloDatabase, sets: readonly MigrationSet[]): Promise<string[]> {
  const pending = await pendingMigrations({ query: queryOf(database), sets });
  return pending
    .filter(({ migration }) => migration.phase === "expand")
    .map(({ service, migration }) => `${service}/${migration.name}`);
}

function queryOf(database: SiloDatabase): SqlQuery {
  return (sql, parameters) => database.query(sql, parameters);
}

function createSiloResolver(
  config: SiloConfig,
  local: readonly ServiceModule[],
  databases: ReadonlyMap<LocalMode, SiloDatabase>,
): CellResolver | undefined {
  const owner = local.find((module) => module.createResolver !== undefined);
  return owner?.createResolver?.({
    silo: config.silo,
    topology: config.topology,
    database: need(databases, owner.localMode),
    logger: config.logger,
    metrics: config.metrics,
    now: config.now ?? Date.now,
  });
}

function createRuntime(config: SiloConfig, resolver: CellResolver | undefined, isReady: () => boolean): RpcRuntime {
  return createRpcRuntime({
    silo: config.silo,
    ...(config.version === undefined ? {} : { version: config.version }),
    network: config.network,
    keys: config.keys,
    logger: config.logger,
    metrics: config.metrics,
    ...(config.usage === undefined ? {} : { usage: config.usage }),
    controlAddress: config.topology.controlRpcAddress,
    ...(resolver === undefined ? {} : { resolver }),
    limits: config.limits ?? {},
    methodSwitch: config.methodSwitch,
    tokensAllowed: config.tokensAllowed,
    reflection: config.reflection,
    useBinaryFormat: config.useBinaryFormat ?? true,
    translateError: translateDatabaseError,
    isReady,
  });
}

function createContexts(
  config: SiloConfig,
  local: readonly ServiceModule[],
  parts: { databases: ReadonlyMap<LocalMode, SiloDatabase>; outboxes: ReadonlyMap<LocalMode, Outbox>; rpc: RpcRuntime },
): Map<ServiceModule, ServiceContext> {
  const toContext = (module: ServiceModule): ServiceContext => ({
    silo: config.silo,
    topology: config.topology,
    database: need(parts.databases, module.localMode),
    outbox: need(parts.outboxes, module.localMode),
    rpc: parts.rpc.forService(module.name),
    logger: config.logger,
    metrics: config.metrics,
    now: config.now ?? Date.now,
  });
  return new Map(local.map((module) => [module, toContext(module)]));
}

/** The contracts of the modules, and the inbox of each side. */
function serveContracts(
  config: SiloConfig,
  rpc: RpcRuntime,
  contexts: ReadonlyMap<ServiceModule, ServiceContext>,
  resolver: CellResolver | undefined,
): void {
  for (const [module, context] of contexts) {
    for (const contract of module.contracts(context)) rpc.serve(contract.service, contract.implementation);
  }
  for (const localMode of new Set([...contexts.keys()].map((module) => module.localMode))) {
    const inbox = serveInbox(config, localMode, contexts, resolver);
    rpc.serve(inbox.service, inbox.implementation);
  }
}

function need<T>(sides: ReadonlyMap<LocalMode, T>, localMode: LocalMode): T {
  const side = sides.get(localMode);
  if (side === undefined) throw new Error(`This silo has no ${localMode.toLowerCase()} tables.`);
  return side;
}
