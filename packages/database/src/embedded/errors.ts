/** The embedded PostgreSQL cannot be started, or stopped. The message ends with the server's own last lines. */
export class EmbeddedPostgresError extends Error {
  override readonly name = "EmbeddedPostgresError";
}

/** A message followed by what the server logged last. */
export function withLog(message: string, logLines: readonly string[]): string {
  return logLines.length === 0 ? message : `${message}\n${logLines.map((line) => `  ${line}`).join("\n")}`;
}
