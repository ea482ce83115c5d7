import { reasonOf } from "@cellway/rpc";
import { Code, ConnectError } from "@connectrpc/connect";

/** One line of an error for rows, logs and answers: a code and a reason, never what a user wrote. */
export function describeError(error: unknown): string {
  if (!(error instanceof ConnectError)) return error instanceof Error ? error.name : "Error";
  const code = Code[error.code] ?? "Unknown";
  const reason = reasonOf(error);
  return reason === undefined ? code : `${code}: ${reason}`;
}
