import { currentSiloContext, type LocalMode, SiloLimitError } from "@cellway/silo";
import pg from "pg";
import {
  BaseEntity,
  DataSource,
  type DataSourceOptions,
  type EntityMetadata,
  type EntityTarget,
  getMetadataArgsStorage,
  type QueryRunner,
  type ReplicationMode,
} from "typeorm";
import { runCommitStep } from "./commit-step.js";
import { type DatabaseConnection, parseDatabaseUrl } from "./connection.js";
import { type EntityClass, findMarkedEntityByName, localModeOfEntity } from "./entities.js";
import { probeServer, type ServerTimeouts, type TimeoutMode, toConnectError, toStartupTimeouts } from "./probe.js";
import { guardQueryRunner } from "./query-runner-guard.js";

/** How to open the database of one side. */
export interface OpenDatabaseOptions {
  /** The side whose tables this is for. A monolith opens two: the same URL, once for each side. */
  readonly localMode: LocalMode;
  /** The silo's name, for messages. */
  readonly siloName: string;
  /** `postgres://user:password@host/database`, or `postgres://user@/database?host=/socket/directory`. */
  readonly url: string;
  /** Every entity that will be used. Each is marked for `localMode`. */
  readonly entities: readonly EntityClass[];
  /** The most connections held at once. Default 10. */
  readonly poolMax?: number;
  /** After which the server cancels a statement, in milliseconds; 0 is never. Default 30 000. */
  readonly statementTimeoutMs?: number;
  /**
   * After which a silent server is given up, and the connection with it, in milliseconds; 0 is never. Default 5 000 more
   * than `statementTimeoutMs`, or never where statements have no limit.
   */
  readonly answerTimeoutMs?: number;
  /** After which the server ends a connection that idles inside a transaction. Default 60 000. */
  readonly idleInTransactionTimeoutMs?: number;
  /** The longest wait for a connection, be it a new one or one of a busy pool. Default 5 000. */
  readonly connectTimeoutMs?: number;
  /** Shown in `pg_stat_activity`. Default `cellway-<siloName>`. */
  readonly applicationName?: string;
  /** Told when an idle connection breaks; the pool has already dropped it. */
  readonly onIdleConnectionError?: (error: Error) => void;
}

/**
 * The TypeORM data source of one side of one silo. Using an entity of the other side, in whatever way TypeORM
 * offers, throws SiloLimitError; so does any use while the running code speaks for the other side.
 *
 * What it cannot see: raw SQL that names a table of the other side. In siloed mode that schema does not exist.
 */
export class SiloDatabase extends DataSource {
  readonly localMode: LocalMode;
  readonly siloName: string;
  /** In `transaction` mode a statement outside of a transaction has no time limit but the role's own. */
  readonly timeoutMode: TimeoutMode;
  /** Told when something may have been committed. Called often; it must cost nothing and throw nothing. */
  onWrite: (() => void) | undefined;
  readonly #timeouts: ServerTimeouts;

  /** Use {@link openDatabase}, which also checks the entities and connects. */
  constructor(
    options: DataSourceOptions,
    silo: { localMode: LocalMode; siloName: string; timeoutMode: TimeoutMode; timeouts: ServerTimeouts },
  ) {
    super(options);
    this.localMode = silo.localMode;
    this.siloName = silo.siloName;
    this.timeoutMode = silo.timeoutMode;
    this.#timeouts = silo.timeouts;
  }

  /** Every raw query, transaction, query builder and persistence takes its connection here. */
  override createQueryRunner(mode?: ReplicationMode): QueryRunner {
    this.#assertContext(`store of ${this.siloName}`);
    return guardQueryRunner(super.createQueryRunner(mode), {
      assertUsable: () => this.#assertContext(`store of ${this.siloName}`),
      onWrite: () => this.onWrite?.(),
      beforeCommit: (query) => runCommitStep(this, query),
      ...(this.timeoutMode === "transaction" ? { transactionTimeouts: this.#timeouts } : {}),
    });
  }

  /** Every repository, manager, query builder and join looks its entity up here (getMetadata and hasMetadata call it). */
  protected override findMetadata(target: EntityTarget<object>): EntityMetadata | undefined {
    const metadata = super.findMetadata(target);
    if (metadata === undefined) {
      const entity = typeof target === "string" ? findMarkedEntityByName(target) : target;
      assertSameSide(entity, this.localMode, describeSide(this.siloName, this.localMode));
    } else {
      this.#assertContext(metadata.name);
    }
    return metadata;
  }

  #assertContext(subject: string): void {
    const context = currentSiloContext();
    if (context === undefined || context.localMode === this.localMode) return;
    throw new SiloLimitError("entity", subject, this.localMode, describeSide(context.siloName, context.localMode));
  }
}

/**
 * Connects to the database of one side. `destroy()` closes it.
 *
 * The time limits are startup parameters; behind a pooler that refuses or ignores those they are set in each
 * transaction instead ({@link SiloDatabase.timeoutMode}). Nothing else depends on the session, so a transaction
 * pooler will do. No statement and no parameter is ever logged.
 *
 * @throws SiloLimitError when an entity, or the other end of a relation, belongs to the other side.
 * @throws TypeError when an entity is not marked, or extends BaseEntity (whose database would be a global).
 * @throws DatabaseConnectError when the URL is wrong, or the server unreachable, unwilling or older than 14.
 */
export async function openDatabase(options: OpenDatabaseOptions): Promise<SiloDatabase> {
  assertEntities(options);
  const connection = parseDatabaseUrl(options.url);
  const timeouts = {
    statementTimeoutMs: options.statementTimeoutMs ?? 30_000,
    idleInTransactionTimeoutMs: options.idleInTransactionTimeoutMs ?? 60_000,
  };
  const applicationName = options.applicationName ?? `cellway-${options.siloName}`;
  const connectTimeoutMs = options.connectTimeoutMs ?? 5_000;
  const timeoutMode = await probeServer(connection, { ...timeouts, applicationName, connectTimeoutMs });
  const limits = {
    ...(timeoutMode === "connection" ? toStartupTimeouts(timeouts) : {}),
    query_timeout: options.answerTimeoutMs ?? toAnswerTimeoutMs(timeouts),
  };
  const database = new SiloDatabase(
    toDataSourceOptions(connection, { ...options, applicationName, connectTimeoutMs }, limits),
    { localMode: options.localMode, siloName: options.siloName, timeoutMode, timeouts },
  );
  try {
    await database.initialize();
  } catch (error) {
    await database.driver.disconnect().catch(() => {});
    throw error instanceof SiloLimitError ? error : toConnectError(connection, error);
  }
  return database;
}

function toDataSourceOptions(
  connection: DatabaseConnection,
  options: OpenDatabaseOptions & { applicationName: string; connectTimeoutMs: number },
  limits: pg.ClientConfig,
): DataSourceOptions {
  const extra = connection.options === undefined ? {} : { options: connection.options };
  return {
    type: "postgres",
    driver: pg,
    host: connection.host,
    port: connection.port,
    username: connection.user,
    password: connection.password,
    database: connection.database,
    ssl: connection.ssl as boolean,
    entities: [...options.entities],
    poolSize: options.poolMax ?? 10,
    applicationName: options.applicationName,
    connectTimeoutMS: options.connectTimeoutMs,
    poolErrorHandler: options.onIdleConnectionError ?? (() => {}),
    installExtensions: false,
    synchronize: false,
    logging: false,
    extra: { keepAlive: true, ...extra, ...limits },
  };
}

function toAnswerTimeoutMs({ statementTimeoutMs }: ServerTimeouts): number {
  return statementTimeoutMs === 0 ? 0 : statementTimeoutMs + 5_000;
}

function assertEntities(options: OpenDatabaseOptions): void {
  const usedIn = describeSide(options.siloName, options.localMode);
  for (const entity of options.entities) {
    if (localModeOfEntity(entity) === undefined) {
      throw new TypeError(`${entity.name} is not marked with @ControlEntity or @CellEntity, so it belongs to no silo.`);
    }
    if (entity.prototype instanceof BaseEntity) {
      throw new TypeError(
        `${entity.name} extends BaseEntity, which ties it to one database per process. Use a repository.`,
      );
    }
    assertSameSide(entity, options.localMode, usedIn);
    for (const relation of getMetadataArgsStorage().filterRelations(lineageOf(entity))) {
      const named = relation.type as string | (() => unknown);
      const target = typeof named === "string" ? findMarkedEntityByName(named) : named();
      assertSameSide(target, options.localMode, `${usedIn}, by the relation ${entity.name}.${relation.propertyName}`);
    }
  }
}

function lineageOf(entity: EntityClass): EntityClass[] {
  const lineage: EntityClass[] = [];
  for (let next = entity; next !== null && next !== Function.prototype; next = Object.getPrototypeOf(next))
    lineage.push(next);
  return lineage;
}

function assertSameSide(entity: unknown, localMode: LocalMode, usedIn: string): void {
  const belongsTo = localModeOfEntity(entity);
  if (belongsTo === undefined || belongsTo === localMode) return;
  throw new SiloLimitError("entity", (entity as EntityClass).name, belongsTo, usedIn);
}

function describeSide(siloName: string, localMode: LocalMode): string {
  return `${siloName} (${localMode.toLowerCase()} side)`;
}
