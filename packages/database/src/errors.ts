/** The database cannot be reached, refuses the connection, or cannot be used. The message holds no password. */
export class DatabaseConnectError extends Error {
  override readonly name = "DatabaseConnectError";
}

/**
 * Whether a statement failed because a row with the same unique value exists.
 *
 * @param constraint - the name of one constraint or unique index; any when left out.
 */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  return hasSqlState(error, "23505", constraint);
}

/**
 * Whether a statement failed because a referenced row is absent, or a row is still referenced.
 *
 * @param constraint - the name of one constraint; any when left out.
 */
export function isForeignKeyViolation(error: unknown, constraint?: string): boolean {
  return hasSqlState(error, "23503", constraint);
}

/** SQLSTATEs with which the server ends the session: shut down, idle for too long, a transaction that took too long. */
const SESSION_END = /^(08...|57P0[1-5]|25P0[34])$/;

/** What `pg` says when the answer to a statement did not come in time; it may come yet, and would meet the next one. */
const READ_TIMEOUT = "Query read timeout";

/** Whether no later statement can use the connection that a statement failed on. */
export function endsSession(error: unknown): boolean {
  return SESSION_END.test(sqlStateOf(error) ?? "") || describeError(error) === READ_TIMEOUT;
}

/** SQLSTATEs and system errors that say the database is away or busy for now, not that a statement is wrong. */
const UNAVAILABLE = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ENOENT",
  "EPIPE",
  "ETIMEDOUT",
  "53300", // too_many_connections
  "40001", // serialization_failure
  "40P01", // deadlock_detected
  "55P03", // lock_not_available
]);

/** Whether an error says that the database is away or busy for now, and nothing of the statement. Also through TypeORM's wrapper. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (typeof error !== "object" || error === null) return false;
  const { code, message, driverError, syscall } = error as Record<string, unknown>;
  if (endsSession(error)) return true;
  if (typeof code === "string" && UNAVAILABLE.has(code)) return code !== "ENOENT" || syscall === "connect";
  if (typeof message === "string" && /^(Connection terminated|timeout exceeded when trying to connect)/.test(message))
    return true;
  return driverError !== undefined && isDatabaseUnavailable(driverError);
}

/** One line about an error, also for those of Node that leave their message empty (a refused dual-stack connection). */
export function describeError(error: unknown): string {
  if (error instanceof AggregateError && error.message === "") return error.errors.map(describeError).join("; ");
  return error instanceof Error ? error.message : String(error);
}

/** The five-character SQLSTATE that PostgreSQL gave, also through TypeORM's wrapper; undefined for other errors. */
export function sqlStateOf(error: unknown): string | undefined {
  const code = fieldOf(error, "code");
  return typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

function hasSqlState(error: unknown, state: string, constraint: string | undefined): boolean {
  if (sqlStateOf(error) !== state) return false;
  return constraint === undefined || fieldOf(error, "constraint") === constraint;
}

function fieldOf(error: unknown, field: "code" | "constraint"): unknown {
  return typeof error === "object" && error !== null ? (error as Record<string, unknown>)[field] : undefined;
}
