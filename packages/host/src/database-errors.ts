import { endsSession, sqlStateOf } from "@cellway/database";
import { createRpcError } from "@cellway/rpc";
import { Code, type ConnectError } from "@connectrpc/connect";

/** SQLSTATEs and system errors that say the database is away or busy for now, not that a statement is wrong. */
const TRANSIENT = new Set([
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

/** SQLSTATEs of text that PostgreSQL cannot hold, such as a NUL character. */
const UNSTORABLE_TEXT = new Set(["22021", "22P05"]);

/**
 * A lost or overloaded database becomes UNAVAILABLE, so that callers may try again, and text that cannot be stored
 * INVALID_ARGUMENT; any other error is left.
 */
export function translateDatabaseError(error: unknown): ConnectError | undefined {
  if (UNSTORABLE_TEXT.has(sqlStateOf(error) ?? "")) {
    return createRpcError(Code.InvalidArgument, "INVALID_FIELD", "A text holds a character that cannot be stored.", {
      cause: error,
    });
  }
  if (!isTransient(error)) return undefined;
  return createRpcError(Code.Unavailable, "DATABASE_UNAVAILABLE", "The silo's database cannot answer now.", {
    cause: error,
  });
}

function isTransient(error: unknown): boolean {
  if (typeof error !== "object" || error === null) return false;
  const { code, message, driverError, syscall } = error as {
    code?: unknown;
    message?: unknown;
    driverError?: unknown;
    syscall?: unknown;
  };
  if (endsSession(error)) return true;
  if (typeof code === "string" && TRANSIENT.has(code)) return code !== "ENOENT" || syscall === "connect";
  if (typeof message === "string" && /^(Connection terminated|timeout exceeded when trying to connect)/.test(message))
    return true;
  return driverError !== undefined && isTransient(driverError);
}
