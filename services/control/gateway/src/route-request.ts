import {
  createEdgeProblem,
  createOrganizationNotFound,
  type Decision,
  type DecisionContext,
  decideByKey,
  decideByRule,
  matchPath,
  type Problem,
} from "@cellway/http";
import type { PinnedRoute } from "./pinned-routes.js";

/** How a request that arrived at control is told to be a cell's. */
export type Rule = "organization" | "pinned";

/** Finds the pinned route of a path. */
export type PinnedFinder = (path: string) => PinnedRoute | undefined;

/** A request that is a cell's, by the rule that says so. */
export interface Claim {
  readonly rule: Rule;
  /** The pinned route, where that is the rule. */
  readonly pinned?: PinnedRoute;
  readonly decide: (ctx: DecisionContext) => Promise<Decision | Problem>;
}

/** By which rule a request is a cell's, and not control's; undefined when by none. */
export function claimRequest(path: string, findPinned: PinnedFinder): Claim | undefined {
  const match = matchPath(path);
  switch (match.kind) {
    case "ambiguous":
      // Only where it may be a cell's: of anything else control itself says that there is nothing.
      return ORGANIZATIONS.test(path) ? { rule: "organization", decide: async () => createAmbiguous() } : undefined;
    case "noOrganization":
      return { rule: "organization", decide: async () => createOrganizationNotFound(match.text) };
    case "organization":
      return { rule: "organization", decide: (ctx) => decideByKey(ctx, { key: match.key }) };
    case "other":
      return claimPinned(findPinned(path));
  }
}

const ORGANIZATIONS = /^\/api\/0\/organizations\/./;

function claimPinned(pinned: PinnedRoute | undefined): Claim | undefined {
  if (pinned === undefined) return undefined;
  const { pattern, cell } = pinned;
  return { rule: "pinned", pinned, decide: async (ctx) => decideByRule(ctx, `pinned route ${pattern}`, cell) };
}

function createAmbiguous(): Problem {
  return createEdgeProblem(
    "PATH_AMBIGUOUS",
    "The path has dot segments, empty segments, backslashes or encoded separators; send it without.",
  );
}
