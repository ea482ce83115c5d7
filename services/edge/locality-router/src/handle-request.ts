import type { IncomingMessage } from "node:http";
import type { BlockList } from "node:net";
import {
  CELL_HEADER,
  type Misdirection,
  type Problem,
  type ProxyOptions,
  type ProxyTarget,
  ROUTE_EPOCH_HEADER,
} from "@cellway/http";
import { checkCell, type Decision, type DecisionContext, decide, decideAnew } from "./decide.js";
import { EXPLAIN_HEADER, formatExplanation, isOperator } from "./explain.js";
import { createRouterProblem } from "./problems.js";
import type { Upstreams } from "./upstreams.js";

/** What requests are handled with. */
export interface RequestContext extends DecisionContext {
  /** The name of the process, in `Via`: `us-router`. */
  readonly name: string;
  readonly upstreams: Upstreams;
  readonly trustedProxies: BlockList | undefined;
  /** A secret; undefined when nobody is explained anything. */
  readonly operatorToken: string | undefined;
  readonly now: () => number;
}

/** How a request is sent on, or why it is not. Never rejects. */
export async function routeRequest(ctx: RequestContext, req: IncomingMessage): Promise<ProxyOptions | Problem> {
  const target = req.url ?? "/";
  const decision = await decide(ctx, { host: req.headers.host, target });
  if ("status" in decision) return decision;
  const explanation = isOperator(req, ctx.operatorToken)
    ? [EXPLAIN_HEADER, formatExplanation(decision, ctx.locator, ctx.now())]
    : [];
  const { key } = decision;
  return {
    name: ctx.name,
    ...(ctx.trustedProxies !== undefined && { trustedProxies: ctx.trustedProxies }),
    target: createTarget(ctx, decision),
    answerHeaders: explanation,
    ...(key !== undefined && {
      onMisdirected: (misdirection: Misdirection) => redirect(ctx, { ...decision, key }, misdirection, target),
    }),
  };
}

/**
 * A cell says that the organization is not there. Control is asked, and its word is kept; where it does not know better, as while
 * it is away, the cell's word holds for this request alone, and only when it is newer. Never to another locality's cell.
 */
async function redirect(
  ctx: RequestContext,
  before: Decision & { readonly key: NonNullable<Decision["key"]> },
  { header, isRepeatable }: Misdirection,
  target: string,
): Promise<ProxyTarget | Problem> {
  const anew = await decideAnew(ctx, before, target);
  if ("status" in anew) return anew;
  const decision = anew.cell.name === before.cell.name ? takeWord(ctx, anew, header) : anew;
  if (decision === undefined)
    return createRouterProblem(
      "ROUTE_CHANGED",
      `${before.cell.name} and control do not agree yet on who serves this; repeat the request.`,
    );
  const problem = checkCell(ctx, decision.cell, before.locality, target);
  if (problem !== undefined) return problem;
  if (!isRepeatable)
    return createRouterProblem(
      "ROUTE_CHANGED",
      "The organization has moved, and the body cannot be sent again from here; repeat the request.",
    );
  return createTarget(ctx, decision);
}

function takeWord(ctx: RequestContext, known: Decision, header: Misdirection["header"]): Decision | undefined {
  const cell = ctx.locator.memory.findCell(header(CELL_HEADER) ?? "");
  const epoch = header(ROUTE_EPOCH_HEADER) ?? "";
  const { found } = known;
  if (cell === undefined || cell.name === known.cell.name || found === undefined) return undefined;
  if (!/^\d{1,15}$/.test(epoch) || Number(epoch) <= found.epoch) return undefined;
  return { ...known, cell, found: { ...found, cell, epoch: Number(epoch) } };
}

function createTarget({ upstreams }: RequestContext, { cell, found }: Decision): ProxyTarget {
  const epoch = found === undefined ? [] : [ROUTE_EPOCH_HEADER, String(found.epoch)];
  return { upstream: upstreams.of(cell), headers: [CELL_HEADER, cell.name, ...epoch] };
}
