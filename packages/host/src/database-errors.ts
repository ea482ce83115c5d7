import { isDatabaseUnavailable, sqlStateOf } from "@cellway/database";
import { createRpcError } from "@cellway/rpc";
import { Code, type ConnectError } from "@connectrpc/connect";

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
  if (!isDatabaseUnavailable(error)) return undefined;
  return createRpcError(Code.Unavailable, "DATABASE_UNAVAILABLE", "The silo's database cannot answer now.", {
    cause: error,
  });
}
