import type pg from "pg";
import { parse, toClientConfig } from "pg-connection-string";
import { DatabaseConnectError } from "./errors.js";

/** Where and how to connect; what {@link parseDatabaseUrl} makes of a URL. */
export interface DatabaseConnection {
  /** A host name, an address, or the directory of a unix socket (begins with `/`). */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  /** A function, so that printing the object prints no secret. Throws when the server asks and the URL has none. */
  readonly password: () => string;
  readonly ssl: NonNullable<pg.ClientConfig["ssl"]>;
  /** The startup `options` of the URL, which some hosted databases need. */
  readonly options?: string;
}

/**
 * Reads `postgres://user:password@host:port/database?sslmode=…` or, over a unix socket,
 * `postgres://user@/database?host=/socket/dir`. Nothing is taken from the environment; unknown parameters are ignored.
 *
 * @throws DatabaseConnectError that says what is wrong without repeating the URL, which may hold a password.
 */
export function parseDatabaseUrl(url: string): DatabaseConnection {
  const config = readUrl(url);
  const { user, password } = config;
  if (!config.host) throw invalidUrl("it names no host (for a unix socket: ?host=/directory)");
  if (!user) throw invalidUrl("it names no user");
  if (!config.database) throw invalidUrl("it names no database");
  return {
    host: config.host,
    port: config.port ?? 5432,
    user,
    database: config.database,
    password: () => {
      if (typeof password === "string" && password !== "") return password;
      throw new DatabaseConnectError("The server asks for a password, and the database URL has none.");
    },
    ssl: config.ssl ?? false,
    ...(config.options === undefined ? {} : { options: config.options }),
  };
}

/** For messages: `cellway@db.internal:5432/us1`. No password. */
export function describeConnection(connection: DatabaseConnection): string {
  return `${connection.user}@${connection.host}:${connection.port}/${connection.database}`;
}

/** What `pg` takes, without any startup parameter that a connection pooler would refuse. */
export function toPgConfig(
  connection: DatabaseConnection,
  options: { applicationName: string; connectTimeoutMs: number },
): pg.ClientConfig {
  return {
    ...connection,
    application_name: options.applicationName,
    connectionTimeoutMillis: options.connectTimeoutMs,
    keepAlive: true,
  };
}

function readUrl(url: string): pg.ClientConfig {
  if (!/^postgres(ql)?:\/\//.test(url)) throw invalidUrl("it does not begin with postgres://");
  const [authority = "", ...rest] = url.slice(url.indexOf("://") + 3).split(/[/?#]/);
  if (!authority.includes("@") && rest.some((part) => part.includes("@"))) {
    throw invalidUrl("percent-encode the special characters of the password");
  }
  try {
    return toClientConfig(parse(url));
  } catch {
    throw invalidUrl("it cannot be parsed; percent-encode the special characters of the password");
  }
}

function invalidUrl(why: string): DatabaseConnectError {
  return new DatabaseConnectError(
    `The database URL is wrong: ${why}. Expected postgres://user:password@host:5432/database or postgres://user@/database?host=/socket/directory.`,
  );
}
