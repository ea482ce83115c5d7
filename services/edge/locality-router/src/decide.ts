import type { Problem } from "@cellway/http";
import type { Finding, FoundRoute, Locator, RoutedCell, RouteKey } from "@cellway/locator";
import { reasonOf } from "@cellway/rpc";
import type { HostTable } from "./hosts.js";
import { matchPath, type StaticRoutes } from "./match-path.js";
import { createRouterProblem } from "./problems.js";

/** Where a request goes, and by which rule. */
export interface Decision {
  readonly cell: RoutedCell;
  readonly locality: string;
  /** By what the organization was looked up; undefined for a static route. */
  readonly key: RouteKey | undefined;
  /** What was found for it. */
  readonly found: FoundRoute | undefined;
  /** `organization slug acme`, `static route /legacy/`. */
  readonly rule: string;
}

/** What decisions are made with. */
export interface DecisionContext {
  readonly locator: Locator;
  readonly hosts: HostTable;
  readonly staticRoutes: StaticRoutes;
}

/** The part of a request by which it is routed. */
export interface Asked {
  readonly host: string | undefined;
  /** Path and query. */
  readonly target: string;
}

/** Where a request goes, or why nowhere. From memory, else control is asked; never rejects. */
export async function decide(ctx: DecisionContext, { host, target }: Asked): Promise<Decision | Problem> {
  const locality = ctx.hosts.localityOf(host);
  if (locality === undefined)
    return createRouterProblem("HOST_UNKNOWN", `No locality is served at ${JSON.stringify(host ?? "")}.`);
  const match = matchPath(target, ctx.staticRoutes);
  switch (match.kind) {
    case "ambiguous":
      return createRouterProblem(
        "PATH_AMBIGUOUS",
        "The path has dot segments, empty segments, backslashes or encoded separators; send it without.",
      );
    case "unrouted":
      return createRouterProblem("PATH_UNKNOWN", "Nothing is served at this path; it names no organization.");
    case "noOrganization":
      return createNotFound(match.text);
    case "static":
      return decideStatic(ctx, match, locality);
    case "organization": {
      const finding = await findOrProblem(ctx.locator, () => ctx.locator.find(match.key), match.key);
      return "status" in finding ? finding : decideFound(ctx, { key: match.key, finding, locality, target });
    }
  }
}

/** The same for an organization whose cell said that it is not there: as control says now. */
export async function decideAnew(
  ctx: DecisionContext,
  { key, locality }: Pick<Decision, "locality"> & { readonly key: RouteKey },
  target: string,
): Promise<Decision | Problem> {
  const finding = await findOrProblem(ctx.locator, () => ctx.locator.findAnew(key), key);
  return "status" in finding ? finding : decideFound(ctx, { key, finding, locality, target });
}

/** @returns a problem when the cell is not in the locality or has no address. */
export function checkCell(
  ctx: DecisionContext,
  cell: RoutedCell,
  locality: string,
  target: string,
): Problem | undefined {
  if (cell.locality !== locality) return createWrongLocality(ctx, cell.locality, target);
  if (cell.httpAddress !== "") return undefined;
  const detail = `Nobody has said where ${cell.name} serves HTTP: cellway cells update ${cell.name} --http-address ORIGIN.`;
  return createRouterProblem("CELL_WITHOUT_ADDRESS", detail, { cell: cell.name });
}

interface Found {
  readonly key: RouteKey;
  readonly finding: Finding;
  readonly locality: string;
  readonly target: string;
}

function decideFound(ctx: DecisionContext, { key, finding, locality, target }: Found): Decision | Problem {
  if (finding.outcome === "absent") return createNotFound(key.value);
  if (finding.outcome === "elsewhere") return createWrongLocality(ctx, finding.locality, target);
  const problem = checkCell(ctx, finding.cell, locality, target);
  return (
    problem ?? { cell: finding.cell, locality, key, found: finding, rule: `organization ${key.kind} ${key.value}` }
  );
}

async function decideStatic(
  ctx: DecisionContext,
  { prefix, cell: name }: { prefix: string; cell: string },
  locality: string,
): Promise<Decision | Problem> {
  const cell = ctx.locator.memory.findCell(name);
  const rule = `static route ${prefix}`;
  if (cell === undefined)
    return createUnloaded(ctx.locator, `Cell ${name}, to which ${prefix} leads, is not known here.`);
  // A static route of another locality's cell is none of this host's: what is there is not for it to say.
  if (cell.locality !== locality) return createRouterProblem("PATH_UNKNOWN", "Nothing is served at this path here.");
  return checkCell(ctx, cell, locality, prefix) ?? { cell, locality, key: undefined, found: undefined, rule };
}

async function findOrProblem(
  locator: Locator,
  find: () => Promise<Finding>,
  { kind, value }: RouteKey,
): Promise<Finding | Problem> {
  try {
    return await find();
  } catch (error) {
    const why = reasonOf(error) === "LOCATOR_QUESTIONS_LIMIT" ? "too much is asked for" : "control does not answer";
    return createUnloaded(locator, `Where organization ${kind} ${value} lives is not known here, and ${why}.`);
  }
}

function createUnloaded({ memory }: Locator, detail: string): Problem {
  return createRouterProblem(memory.isComplete ? "ROUTE_UNKNOWN" : "DIRECTORY_NOT_LOADED", detail);
}

function createNotFound(text: string): Problem {
  return createRouterProblem("ORGANIZATION_NOT_FOUND", `There is no organization ${JSON.stringify(text)} here.`);
}

function createWrongLocality({ hosts }: DecisionContext, locality: string, target: string): Problem {
  const url = hosts.originOf(locality) + target;
  return createRouterProblem("WRONG_LOCALITY", `This organization lives in locality ${locality}: ${url}`, {
    locality,
    url,
  });
}
