import type { ClientAnswer } from "./proxy/client-exchange.js";

/** The media type of problems, RFC 9457. */
export const PROBLEM_TYPE = "application/problem+json";

/** Why a request was not served, as `application/problem+json` (RFC 9457). */
export interface Problem {
  readonly status: number;
  /** Stable, for programs: `CELL_UNREACHABLE`. */
  readonly code: string;
  /** A few words that are the same for every problem of this code. */
  readonly title: string;
  /** A sentence for people: what is wrong here, and what to do. */
  readonly detail: string;
  /** More members, in camel case. */
  readonly extensions?: Readonly<Record<string, string | number | boolean | null>>;
  /** More headers, such as `retry-after`. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A problem as JSON has it. */
export function toProblemBody({ status, code, title, detail, extensions }: Problem): Readonly<Record<string, unknown>> {
  return { type: "about:blank", title, status, code, detail, ...extensions };
}

/** Answers with a problem, and nothing else: the response must not have been begun. */
export function sendProblem(res: ClientAnswer, problem: Problem): void {
  const { status, headers } = problem;
  const body = Buffer.from(`${JSON.stringify(toProblemBody(problem))}\n`);
  res.writeHead(status, {
    ...headers,
    "content-type": PROBLEM_TYPE,
    "content-length": body.byteLength,
    "cache-control": "no-store",
  });
  res.end(body);
}
