import { STATUS_CODES } from "node:http";
import { errorMetadataOf, reasonOf } from "@cellway/rpc";
import { Code, ConnectError } from "@connectrpc/connect";

/** The most fields that a problem names. */
const FIELDS_MAX = 20;

/** A field of the request that breaks a rule. */
export interface FieldProblem {
  /** `body.name`, `query.per_page`. */
  readonly field: string;
  readonly detail: string;
}

/** The body of every answer that is no success. */
export interface ProblemBody {
  /** `about:blank`: the title is that of the status; {@link code} says what it is. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  /** Stable, for programs: `ORGANIZATION_NOT_FOUND`. */
  readonly code: string;
  /** A sentence for people. */
  readonly detail: string;
  readonly request_id: string;
  readonly errors?: readonly FieldProblem[] | undefined;
  /** Where the request should go instead. */
  readonly url?: string | undefined;
}

/** An answer that is no success. Everything in it is for the caller; `cause` is for the log alone. */
export class ProblemError extends Error {
  readonly status: number;
  readonly code: string;
  readonly errors: readonly FieldProblem[];
  readonly headers: Readonly<Record<string, string>>;
  readonly url: string | undefined;

  constructor(
    status: number,
    code: string,
    detail: string,
    options: {
      readonly errors?: readonly FieldProblem[];
      readonly headers?: Readonly<Record<string, string>>;
      readonly url?: string;
      readonly cause?: unknown;
    } = {},
  ) {
    super(detail, { cause: options.cause });
    this.name = "ProblemError";
    this.status = status;
    this.code = code;
    this.errors = (options.errors ?? []).slice(0, FIELDS_MAX);
    this.headers = options.headers ?? {};
    this.url = options.url;
  }

  /** What is sent. */
  toBody(requestId: string): ProblemBody {
    return {
      type: "about:blank",
      title: STATUS_CODES[this.status] ?? "Error",
      status: this.status,
      code: this.code,
      detail: this.message,
      request_id: requestId,
      ...(this.errors.length === 0 ? {} : { errors: this.errors }),
      ...(this.url === undefined ? {} : { url: this.url }),
    };
  }
}

/** 404 for what is not there, and for what is somebody else's: nobody can tell the two apart. */
export function createNotFoundProblem(): ProblemError {
  return new ProblemError(404, "NOT_FOUND", "There is nothing here, or it is not yours.");
}

const STATUS_OF: ReadonlyMap<Code, number> = new Map([
  [Code.InvalidArgument, 400],
  [Code.OutOfRange, 400],
  [Code.PermissionDenied, 403],
  [Code.NotFound, 404],
  [Code.AlreadyExists, 409],
  [Code.FailedPrecondition, 409],
  [Code.Aborted, 409],
  [Code.ResourceExhausted, 429],
  [Code.Unavailable, 503],
  [Code.DeadlineExceeded, 504],
]);

/** Refusals of one silo by another: never the doing of whoever called us. */
const OWN_FAULTS: ReadonlySet<string> = new Set(["CALLER_NOT_ALLOWED", "WRONG_CELL", "WRONG_SILO", "PEER_TOO_OLD"]);

/** The same Idempotency-Key with another body: 422, as the IETF draft of the header has it. */
const REUSED_KEY: ReadonlySet<string> = new Set(["REQUEST_ID_REUSED"]);

function statusOf(code: Code, reason: string | undefined): number | undefined {
  return reason !== undefined && REUSED_KEY.has(reason) ? 422 : STATUS_OF.get(code);
}

/** Seconds after which a request that met a silo that was away may be tried again. */
const RETRY_AFTER_SECONDS = 2;

/** What any error of a handler is to the caller. The one place where Connect codes become HTTP statuses. */
export function toProblem(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  const reason = reasonOf(error);
  const status = error instanceof ConnectError ? statusOf(error.code, reason) : undefined;
  if (!(error instanceof ConnectError) || status === undefined || (reason !== undefined && OWN_FAULTS.has(reason))) {
    return new ProblemError(500, "INTERNAL", "Something went wrong here; the request id finds it in our log.", {
      cause: error,
    });
  }
  const { field } = errorMetadataOf(error);
  return new ProblemError(status, reason ?? nameOf(error.code), sentenceOf(error, status), {
    cause: error,
    ...(field === undefined ? {} : { errors: [{ field, detail: error.rawMessage }] }),
    ...(status === 503 || status === 429 ? { headers: { "retry-after": String(RETRY_AFTER_SECONDS) } } : {}),
  });
}

/** What silos say of each other is of no use to a caller, and tells of the house. */
function sentenceOf(error: ConnectError, status: number): string {
  if (status === 503) return "A part of the service cannot answer now; try again in a moment.";
  if (status === 504) return "The service took too long to answer; try again.";
  return error.rawMessage;
}

/** `INVALID_ARGUMENT`. */
function nameOf(code: Code): string {
  return (Code[code] ?? "Unknown").replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
}
