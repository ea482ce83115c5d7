import pg from "pg";
import { type DatabaseConnection, describeConnection, toPgConfig } from "./connection.js";
import { DatabaseConnectError, describeError } from "./errors.js";
import { type Queryable, rowsOf } from "./queryable.js";

/** The oldest PostgreSQL that is supported: every statement and every test is meant for it and newer ones. */
export const SERVER_VERSION_MIN = 14;

/**
 * How the time limits reach the server: as startup parameters of each connection, or, where a pooler does not
 * pass those on, as `SET LOCAL` in each transaction.
 */
export type TimeoutMode = "connection" | "transaction";

/** Time limits of one database, in milliseconds; 0 is no limit. */
export interface ServerTimeouts {
  readonly statementTimeoutMs: number;
  readonly idleInTransactionTimeoutMs: number;
}

/** @throws DatabaseConnectError when the server is older than {@link SERVER_VERSION_MIN}. */
export async function assertServerVersion(queryable: Queryable): Promise<void> {
  const result = await queryable.query("select current_setting('server_version_num')::int as version");
  const version = rowsOf<{ version: number }>(result)[0]?.version ?? 0;
  if (version < SERVER_VERSION_MIN * 10_000) {
    const shown = `${Math.floor(version / 10_000)}.${version % 10_000}`;
    throw new DatabaseConnectError(`PostgreSQL ${shown} is too old: ${SERVER_VERSION_MIN} or newer is needed.`);
  }
}

/**
 * Opens one connection, checks the server's version, learns whether startup parameters are honoured, and closes it.
 *
 * @throws DatabaseConnectError when the database cannot be reached or used.
 */
export async function probeServer(
  connection: DatabaseConnection,
  options: ServerTimeouts & { applicationName: string; connectTimeoutMs: number },
): Promise<TimeoutMode> {
  const config = { ...toPgConfig(connection, options), query_timeout: options.connectTimeoutMs };
  const withTimeouts = { ...config, ...toStartupTimeouts(options) };
  try {
    return await probeOnce(withTimeouts, options.statementTimeoutMs);
  } catch (error) {
    if (!/startup parameter/i.test(describeError(error))) throw toConnectError(connection, error);
  }
  try {
    await probeOnce(config, options.statementTimeoutMs);
    return "transaction";
  } catch (error) {
    throw toConnectError(connection, error);
  }
}

/** The limits as `pg` options that become startup parameters. */
export function toStartupTimeouts(timeouts: ServerTimeouts): pg.ClientConfig {
  return {
    statement_timeout: timeouts.statementTimeoutMs,
    idle_in_transaction_session_timeout: timeouts.idleInTransactionTimeoutMs,
  };
}

/** An error that names the server and never the password. */
export function toConnectError(connection: DatabaseConnection, error: unknown): DatabaseConnectError {
  return new DatabaseConnectError(
    `Cannot use PostgreSQL at ${describeConnection(connection)}: ${describeError(error)}`,
    {
      cause: error,
    },
  );
}

async function probeOnce(config: pg.ClientConfig, statementTimeoutMs: number): Promise<TimeoutMode> {
  const client = new pg.Client(config);
  client.on("error", () => {});
  try {
    await client.connect();
    await assertServerVersion(client);
    const { rows } = await client.query("select setting from pg_settings where name = 'statement_timeout'");
    return rows[0]?.setting === String(statementTimeoutMs) ? "connection" : "transaction";
  } finally {
    await client.end().catch(() => {});
  }
}
