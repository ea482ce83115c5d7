import { destination, type Logger as PinoLogger, pino } from "pino";

/** A structured logger. Fields are snake_case; no field may hold a secret. */
export type Logger = PinoLogger;

/** How much is logged. `silent` logs nothing. */
export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

/** Names of fields that could hold a secret. */
const SECRET_FIELDS = [
  "authorization",
  "Authorization",
  "token",
  "apiToken",
  "api_token",
  "secret",
  "password",
  "key",
  "cookie",
];
const REDACTED_PATHS = SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]);

/** What a log line says of an error: its kind, message, stack and cause, and nothing of what else hangs on it. */
interface LoggedError {
  readonly type: string;
  readonly message: string;
  readonly stack?: string | undefined;
  readonly code?: string | number;
  readonly cause?: unknown;
}

function serializeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return error;
  const { code } = error as { code?: unknown };
  const logged: LoggedError = {
    type: error.name,
    message: error.message,
    stack: error.stack,
    ...(typeof code === "string" || typeof code === "number" ? { code } : {}),
    ...(error.cause === undefined || depth >= 3 ? {} : { cause: serializeError(error.cause, depth + 1) }),
  };
  return logged;
}

/**
 * A logger that writes one JSON object a line to standard error (file descriptor 2), with the silo's name on each.
 * Fields that could hold a secret are blotted out, up to two levels deep.
 */
export function createLogger(options: {
  silo: string;
  level?: LogLevel;
  stream?: { write(line: string): void };
}): Logger {
  return pino(
    {
      level: options.level ?? "info",
      base: { silo: options.silo },
      formatters: { level: (level) => ({ level }) },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: REDACTED_PATHS, censor: "[redacted]" },
      serializers: { err: serializeError },
    },
    options.stream ?? destination({ fd: 2, sync: true }),
  );
}
