import type { ClientRequest, Problem } from "@cellway/http";
import {
  createProjectConfigsBody,
  type ProjectConfigsAnswer,
  type ProjectConfigsRequest,
  readProjectConfigsQuestion,
} from "@cellway/ingest-protocol";
import { createHostUnknown } from "../problems.js";
import type { Scope } from "../scope.js";
import { askCell, type CellAnswer } from "./ask-cell.js";
import type { ProjectConfigContext } from "./context.js";
import { type Deadline, startDeadline } from "./deadline.js";
import { findGlobal } from "./find-global.js";
import { type CellKeys, type Split, splitByCell } from "./split-by-cell.js";

/**
 * Answers a Relay for all cells. Each key that it asks for is in exactly one of `configs`, `unchanged` and `pending`; it is in none
 * only where its cell, or the complete directory, says that there is no such key: a Relay takes that for a project that is gone.
 *
 * @throws RelayRequestError
 */
export async function answerProjectConfigs(
  ctx: ProjectConfigContext,
  req: ClientRequest,
): Promise<ProjectConfigsAnswer | Problem> {
  const deadline = startDeadline(ctx.configLimits.deadlineMs);
  try {
    const scope = ctx.scopes.of(req.headers.host);
    if (scope === undefined) return createHostUnknown(req.headers.host);
    const rules = { relays: ctx.relays, timeoutMs: ctx.configLimits.questionTimeoutMs, nowMs: ctx.now() };
    const request = await readProjectConfigsQuestion(req, rules);
    return await collect(ctx, request, { scope, deadline });
  } finally {
    deadline.end();
  }
}

interface Bounds {
  readonly scope: Scope;
  readonly deadline: Deadline;
}

async function collect(
  ctx: ProjectConfigContext,
  request: ProjectConfigsRequest,
  bounds: Bounds,
): Promise<ProjectConfigsAnswer> {
  const configs: Record<string, unknown> = {};
  const pending: string[] = [];
  const unchanged: string[] = [];
  const takeCell = async (own: CellKeys) => {
    const body = createProjectConfigsBody(request, own.keys);
    const timeoutMs = bounds.deadline.leftMs();
    const answer = await askCell(ctx, { cell: own.cell, address: own.address, body, timeoutMs });
    const missing: string[] = [];
    for (const key of own.keys) {
      const state = stateOf(key, answer, request);
      if (state === "config") configs[key] = answer?.configs[key];
      else if (state === "unchanged") unchanged.push(key);
      else if (state === "pending") pending.push(key);
      else missing.push(key);
    }
    pending.push(...(await findDoubtful(ctx, own.cell, missing, bounds.deadline)));
  };
  const takeSplit = async (split: Split) => {
    pending.push(...split.pending);
    await Promise.all(split.cells.map(takeCell));
  };
  const lookups = startDeadline(Math.min(ctx.configLimits.lookupMs, bounds.deadline.leftMs()));
  const { known, unknown } = splitByCell(ctx, request.publicKeys, { scope: bounds.scope, deadline: lookups });
  const [global] = await Promise.all([
    request.isGlobalWanted ? findGlobal(ctx, request, bounds) : undefined,
    takeSplit(known),
    unknown.then(takeSplit),
  ]);
  lookups.end();
  count(ctx, request, { configs: Object.keys(configs).length, pending: pending.length, unchanged: unchanged.length });
  return { configs, pending, unchanged, ...global };
}

/** What an answer says of a key. What a cell says of other keys than those that it was asked for is not looked at. */
function stateOf(
  key: string,
  answer: CellAnswer | undefined,
  { revisions }: ProjectConfigsRequest,
): "config" | "unchanged" | "pending" | "absent" {
  if (answer === undefined) return "pending";
  if (Object.hasOwn(answer.configs, key)) return "config";
  // Unchanged since when, where no revision was said? The Relay has nothing to keep.
  if (answer.unchanged.has(key)) return revisions.has(key) ? "unchanged" : "pending";
  return answer.pending.has(key) ? "pending" : "absent";
}

/** Of keys that a cell does not have: those of which the directory says now that they are another cell's, as after a move. */
async function findDoubtful(
  { routes }: ProjectConfigContext,
  cell: string,
  keys: readonly string[],
  deadline: Deadline,
): Promise<string[]> {
  const findings = await Promise.all(
    keys.map((value) => deadline.race(routes.findAnew({ kind: "projectKey", value }))),
  );
  return keys.filter((_, index) => {
    const finding = findings[index];
    if (finding?.outcome === "absent") return false;
    return !(finding?.outcome === "routed" && finding.cell.name === cell);
  });
}

function count(
  { metrics }: ProjectConfigContext,
  { publicKeys }: ProjectConfigsRequest,
  said: { readonly configs: number; readonly pending: number; readonly unchanged: number },
): void {
  const absent = publicKeys.length - said.configs - said.pending - said.unchanged;
  for (const [state, keys] of Object.entries({ ...said, absent }))
    metrics.count("cellway_edge_project_config_keys_total", { state }, keys);
}
