import type { IncomingMessage } from "node:http";
import {
  createOrganizationNotFound,
  createPathAmbiguous,
  type Decision,
  decideByKey,
  decideByRule,
  type EdgeContext,
  matchPath,
  type Problem,
  pathOf,
} from "@cellway/http";
import { parseIngestPath } from "@cellway/ingest-protocol";
import { decideByDsn, decideIngest, isEmbed } from "./keyed-requests.js";
import type { Outcome, Rule } from "./outcome.js";
import type { PinnedRoute } from "./pinned-routes.js";

/** A request that arrived at control and is a cell's. */
export interface Claim {
  /** The pinned route, where that is the rule. */
  readonly pinned?: PinnedRoute;
  readonly decide: (ctx: EdgeContext) => Promise<Outcome>;
}

type Asked = Pick<IncomingMessage, "headers" | "url">;

/** Why a request is a cell's, and not control's; undefined when it is not. */
export function claimRequest(req: Asked, findPinned: (path: string) => PinnedRoute | undefined): Claim | undefined {
  const path = pathOf(req.url ?? "");
  const match = matchPath(path);
  switch (match.kind) {
    case "ambiguous":
      // Only where it may be a cell's: of anything else control itself says that there is nothing.
      return ORGANIZATIONS.test(path) ? claimAs("organization", async () => createPathAmbiguous()) : undefined;
    case "noOrganization":
      return claimAs("organization", async () => createOrganizationNotFound(match.text));
    case "organization":
      return claimAs("organization", (ctx) => decideByKey(ctx, { key: match.key }));
    // Cells serve procedures at the hosts of their localities.
    case "procedure":
    case "other":
      return claimOther(req, path, findPinned);
  }
}

const ORGANIZATIONS = /^\/api\/0\/organizations\/./;

function claimOther(
  req: Asked,
  path: string,
  findPinned: (path: string) => PinnedRoute | undefined,
): Claim | undefined {
  if (parseIngestPath(path) !== undefined) return { decide: (ctx) => decideIngest(ctx, req) };
  if (isEmbed(path)) return { decide: (ctx) => decideByDsn(ctx, req) };
  const pinned = findPinned(path);
  if (pinned === undefined) return undefined;
  const { pattern, cell } = pinned;
  return { pinned, ...claimAs("pinned", async (ctx) => decideByRule(ctx, `pinned route ${pattern}`, cell)) };
}

function claimAs(rule: Rule, decide: (ctx: EdgeContext) => Promise<Decision | Problem>): Claim {
  return { decide: async (ctx) => ({ rule, ctx, decided: await decide(ctx) }) };
}
