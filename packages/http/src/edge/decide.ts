import {
  type Finding,
  type FoundRoute,
  KIND_PHRASES,
  type Locator,
  type RoutedCell,
  type RouteKey,
} from "@cellway/locator";
import { reasonOf } from "@cellway/rpc";
import type { Problem } from "../problem.js";
import { createEdgeProblem } from "./problems.js";

/** Where a request goes, and by which rule. */
export interface Decision {
  readonly cell: RoutedCell;
  /** The origin of that listener of the cell that requests are sent to. */
  readonly address: string;
  /** By what it was looked up; undefined where a rule names the cell. */
  readonly key: RouteKey | undefined;
  /** What was found for the key. */
  readonly found: FoundRoute | undefined;
  /** `organization slug acme`, `static route /legacy/`. */
  readonly rule: string;
}

/** The routes in memory, and whoever is asked for what is not there. */
export type RouteFinder = Pick<Locator, "find" | "findAnew" | "memory">;

/** To which of a cell's listeners an edge sends. */
export interface CellListener {
  /** Its origin; empty while nobody has said it. */
  readonly addressOf: (cell: RoutedCell) => string;
  /** What is missing then, and the remedy. */
  readonly remedyOf: (cell: RoutedCell) => string;
  /** What metrics and problems call it, for an edge that sends to several listeners. Default: the name of the cell. */
  readonly nameOf?: (cell: RoutedCell) => string;
}

/** The public HTTP API of a cell. */
const HTTP_LISTENER: CellListener = {
  addressOf: (cell) => cell.httpAddress,
  remedyOf: ({ name }) =>
    `Nobody has said where ${name} serves HTTP: cellway cells update ${name} --http-address ORIGIN.`,
};

/** Where a cell takes events. */
export const INGEST_LISTENER: CellListener = {
  addressOf: ({ ingestAddress, httpAddress }) => (ingestAddress === "" ? httpAddress : ingestAddress),
  remedyOf: ({ name }) =>
    `Nobody has said where ${name} takes events: cellway cells update ${name} --http-address ORIGIN.`,
};

/** What decisions are made with. */
export interface DecisionContext {
  readonly routes: RouteFinder;
  /** Default the public HTTP listener. */
  readonly listener?: CellListener;
}

/** Why a request may not go to a cell of this locality; undefined when it may. */
export type LocalityRule = (locality: string) => Problem | undefined;

/** A request that carries a key. */
export interface KeyedRequest {
  readonly key: RouteKey;
  /** Default: it may go to any. */
  readonly refuse?: LocalityRule;
}

/** Where a request with a key goes, or why nowhere. From memory, else the directory is asked; never rejects. */
export function decideByKey(ctx: DecisionContext, request: KeyedRequest): Promise<Decision | Problem> {
  return decideFound(ctx, request, () => ctx.routes.find(request.key));
}

/** The same for a key whose cell said that it is not there: as the directory says now. */
export function decideAnew(ctx: DecisionContext, request: KeyedRequest): Promise<Decision | Problem> {
  return decideFound(ctx, request, () => ctx.routes.findAnew(request.key));
}

/** Where a request goes that a rule sends to one cell: `static route /legacy/`. */
export function decideByRule(ctx: DecisionContext, rule: string, cellName: string): Decision | Problem {
  const cell = ctx.routes.memory.findCell(cellName);
  if (cell === undefined)
    return createUnloaded(ctx.routes, `Cell ${cellName}, to which the ${rule} leads, is not known here.`);
  const address = addressOrProblem(ctx, cell);
  return typeof address === "string" ? { cell, address, key: undefined, found: undefined, rule } : address;
}

/** The address of a cell that a request may go to, or why it may not. */
export function addressOrProblem(ctx: DecisionContext, cell: RoutedCell, refuse?: LocalityRule): string | Problem {
  const refusal = refuse?.(cell.locality);
  if (refusal !== undefined) return refusal;
  const { listener = HTTP_LISTENER } = ctx;
  const address = listener.addressOf(cell);
  return address === ""
    ? createEdgeProblem("CELL_WITHOUT_ADDRESS", listener.remedyOf(cell), { cell: cell.name })
    : address;
}

/** Two readers could take the path for two. */
export function createPathAmbiguous(): Problem {
  return createEdgeProblem(
    "PATH_AMBIGUOUS",
    "The path has dot segments, empty segments, backslashes or encoded separators; send it without.",
  );
}

/** There is no organization of this name. @param text as it stood in the request, at most a few dozen characters. */
export function createOrganizationNotFound(text: string): Problem {
  return createEdgeProblem("ORGANIZATION_NOT_FOUND", `There is no organization ${JSON.stringify(text)} here.`);
}

async function decideFound(
  ctx: DecisionContext,
  { key, refuse }: KeyedRequest,
  find: () => Promise<Finding>,
): Promise<Decision | Problem> {
  const finding = await findOrProblem(ctx.routes, key, find);
  if ("status" in finding) return finding;
  if (finding.outcome === "absent") return createAbsent(key);
  if (finding.outcome === "elsewhere") return refuse?.(finding.locality) ?? createAbsent(key);
  const address = addressOrProblem(ctx, finding.cell, refuse);
  if (typeof address !== "string") return address;
  return { cell: finding.cell, address, key, found: finding, rule: nameKey(key) };
}

async function findOrProblem(
  routes: RouteFinder,
  key: RouteKey,
  find: () => Promise<Finding>,
): Promise<Finding | Problem> {
  try {
    return await find();
  } catch (error) {
    const why = reasonOf(error) === "LOCATOR_QUESTIONS_LIMIT" ? "too much is asked for" : "control does not answer";
    return createUnloaded(routes, `Where ${nameKey(key)} lives is not known here, and ${why}.`);
  }
}

function createUnloaded({ memory }: RouteFinder, detail: string): Problem {
  return createEdgeProblem(memory.isComplete ? "ROUTE_UNKNOWN" : "DIRECTORY_NOT_LOADED", detail);
}

function createAbsent(key: RouteKey): Problem {
  return key.kind === "projectKey"
    ? createEdgeProblem("PROJECT_KEY_NOT_FOUND", `There is no project key ${JSON.stringify(key.value)} here.`)
    : createOrganizationNotFound(key.value);
}

function nameKey({ kind, value }: RouteKey): string {
  return `${KIND_PHRASES[kind]} ${value}`;
}
