import type { Decision, EdgeContext, Problem } from "@cellway/http";

/** What says whose a request is. */
export type Rule = "organization" | "project_key" | "dsn_host" | "pinned";

/** Where a request goes, by what that is known, and with what it is sent there. */
export interface Outcome {
  readonly rule: Rule;
  readonly ctx: EdgeContext;
  readonly decided: Decision | Problem;
}
