import { ConfigError } from "@cellway/silo";
import { ConnectError } from "@connectrpc/connect";

/** Exit code of a command that did what it was asked. */
export const EXIT_OK = 0;

/** Exit code of a command that was understood and failed. */
export const EXIT_FAILED = 1;

/** Exit code of a command that was not understood, or whose settings are wrong: nothing was done. */
export const EXIT_USAGE = 2;

/** The command line itself is wrong. The message is one sentence that says what would be right. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The command failed for a reason that a person can act on. The message is one sentence, without a stack. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}

/** The exit code for a failure of any kind. */
export function exitCodeOf(error: unknown): number {
  return error instanceof UsageError || error instanceof ConfigError ? EXIT_USAGE : EXIT_FAILED;
}

/**
 * What a person is told: the message alone for failures that are to be expected (usage, settings, calls, sockets,
 * files, the database), the whole stack for what only a bug can cause.
 */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AggregateError && error.errors.length > 0) return describeError(error.errors[0]);
  if (isExpected(error)) return error.message;
  return error.stack ?? error.message;
}

/** By name: to import them here would load the whole database for `--help`. */
const EXPECTED_NAMES: ReadonlySet<string> = new Set([
  "EmbeddedPostgresError",
  "DatabaseConnectError",
  "MigrationError",
  "ReleasesError",
]);

function isExpected(error: Error): boolean {
  if (error instanceof UsageError || error instanceof CommandError || error instanceof ConfigError) return true;
  if (error instanceof ConnectError || EXPECTED_NAMES.has(error.name)) return true;
  // Errors of the system and of PostgreSQL carry a code: ECONNREFUSED, EADDRINUSE, 28P01.
  return "code" in error && typeof error.code === "string" && !error.code.startsWith("ERR_");
}
