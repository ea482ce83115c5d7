import { errorMetadataOf, reasonOf, SILO_HEADER } from "@cellway/rpc";
import { Code, type ConnectError } from "@connectrpc/connect";

/** What a failed call says, for machines. */
export interface CallErrorReport {
  /** As Connect writes it: `not_found`. */
  readonly code: string;
  /** `CELL_MAPPING_NOT_FOUND`; null when the error has none. */
  readonly reason: string | null;
  readonly message: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** The silo that answered; null when none did. */
  readonly silo: string | null;
}

/** Reads a failed call. */
export function reportCallError(error: ConnectError): CallErrorReport {
  return {
    code: Code[error.code].replace(/([a-z])([A-Z])/g, "$1_$2").toLowerCase(),
    reason: reasonOf(error) ?? null,
    message: error.rawMessage,
    metadata: errorMetadataOf(error),
    silo: error.metadata.get(SILO_HEADER),
  };
}

/** One line for people: `not_found CELL_MAPPING_NOT_FOUND: The directory has no cell for organization 7.` */
export function formatCallError(error: ConnectError): string {
  const report = reportCallError(error);
  return `${report.code}${report.reason === null ? "" : ` ${report.reason}`}: ${report.message}`;
}
