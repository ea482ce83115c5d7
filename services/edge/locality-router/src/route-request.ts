import {
  type ClientRequest,
  createEdgeProblem,
  createOrganizationNotFound,
  createPathAmbiguous,
  createSending,
  type Decision,
  decideByKey,
  decideByRule,
  type EdgeContext,
  type HostTable,
  type LocalityRule,
  matchPath,
  ORGANIZATION_HEADER,
  type Problem,
  type ProxyOptions,
  parseOrganizationKey,
  pathOf,
} from "@cellway/http";
import { findStaticRoute, type StaticRoutes } from "./static-routes.js";

/** What requests are routed with. */
export interface RouterContext extends EdgeContext {
  readonly hosts: HostTable;
  readonly staticRoutes: StaticRoutes;
}

/** How a request is sent on, or why it is not. Never rejects. */
export async function routeRequest(ctx: RouterContext, req: ClientRequest): Promise<ProxyOptions | Problem> {
  const { host } = req.headers;
  const target = req.url ?? "/";
  const locality = ctx.hosts.localityOf(host);
  if (locality === undefined)
    return createEdgeProblem("HOST_UNKNOWN", `No locality is served at ${JSON.stringify(host ?? "")}.`);
  const refuse: LocalityRule = (other) => (other === locality ? undefined : createWrongLocality(ctx, other, target));
  const said = req.headers[ORGANIZATION_HEADER]?.toString();
  const decision = await decide(ctx, { path: pathOf(target), said, locality, refuse });
  return "status" in decision ? decision : createSending(ctx, req, decision, refuse);
}

interface Asked {
  readonly path: string;
  /** The organization that a header names. */
  readonly said: string | undefined;
  readonly locality: string;
  readonly refuse: LocalityRule;
}

async function decide(ctx: RouterContext, asked: Asked): Promise<Decision | Problem> {
  const { path, locality, refuse } = asked;
  const match = matchPath(path);
  switch (match.kind) {
    case "ambiguous":
      return createPathAmbiguous();
    case "noOrganization":
      return createOrganizationNotFound(match.text);
    case "organization":
      return decideByKey(ctx, { key: match.key, refuse });
    case "procedure":
      return decideProcedure(ctx, asked);
    case "other":
      return decideStatic(ctx, path, locality);
  }
}

/** A procedure goes to the cell of the organization that is named for it, else where a static route leads. */
async function decideProcedure(
  ctx: RouterContext,
  { path, said, locality, refuse }: Asked,
): Promise<Decision | Problem> {
  if (said !== undefined) {
    const key = parseOrganizationKey(said);
    return key === undefined ? createOrganizationNotFound(said.slice(0, 64)) : decideByKey(ctx, { key, refuse });
  }
  if (findStaticRoute(ctx.staticRoutes, path) !== undefined) return decideStatic(ctx, path, locality);
  const detail = `A call of a procedure names its organization, by slug or id, in the header ${ORGANIZATION_HEADER}.`;
  return createEdgeProblem("ORGANIZATION_MISSING", detail);
}

function decideStatic(ctx: RouterContext, path: string, locality: string): Decision | Problem {
  const found = findStaticRoute(ctx.staticRoutes, path);
  if (found === undefined)
    return createEdgeProblem("PATH_UNKNOWN", "Nothing is served at this path; it names no organization.");
  const known = ctx.routes.memory.findCell(found.cell);
  // A static route of another locality's cell is none of this host's: what is there is not for it to say.
  if (known !== undefined && known.locality !== locality)
    return createEdgeProblem("PATH_UNKNOWN", "Nothing is served at this path here.");
  return decideByRule(ctx, `static route ${found.prefix}`, found.cell);
}

function createWrongLocality({ hosts }: RouterContext, locality: string, target: string): Problem {
  const url = hosts.originOf(locality) + target;
  return createEdgeProblem("WRONG_LOCALITY", `This organization lives in locality ${locality}: ${url}`, {
    locality,
    url,
  });
}
