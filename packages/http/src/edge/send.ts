import type { BlockList } from "node:net";
import { CELL_HEADER, ROUTE_EPOCH_HEADER } from "../cell-headers.js";
import type { Problem } from "../problem.js";
import type { ClientRequest } from "../proxy/client-exchange.js";
import type { Misdirection, ProxyOptions, ProxyTarget } from "../proxy/proxy-request.js";
import { addressOrProblem, type Decision, type DecisionContext, decideAnew, type LocalityRule } from "./decide.js";
import { EXPLAIN_HEADER, explainDecision, isOperator } from "./explain.js";
import { createEdgeProblem } from "./problems.js";
import type { Upstreams } from "./upstreams.js";

/** What requests are sent on with. */
export interface EdgeContext extends DecisionContext {
  /** The name of the process, in `Via`: `us-router`. */
  readonly name: string;
  readonly upstreams: Upstreams;
  /** Proxies before this one whose forwarding headers are believed. */
  readonly trustedProxies: BlockList | undefined;
  /** A secret; undefined when nobody is explained anything. */
  readonly operatorToken: string | undefined;
  readonly now: () => number;
}

/** How a request is sent where was decided: explained to operators, and where it is misdirected asked for anew, once. */
export function createSending(
  ctx: EdgeContext,
  req: ClientRequest,
  decision: Decision,
  refuse?: LocalityRule,
): ProxyOptions {
  const { key, found } = decision;
  return {
    name: ctx.name,
    ...(ctx.trustedProxies !== undefined && { trustedProxies: ctx.trustedProxies }),
    target: createTarget(ctx, decision),
    answerHeaders: explain(ctx, req, decision),
    ...(key !== undefined &&
      found !== undefined && {
        onMisdirected: (misdirection: Misdirection) => redirect(ctx, { ...decision, key, found }, misdirection, refuse),
      }),
  };
}

type KeyDecision = Decision & { readonly [K in "key" | "found"]: NonNullable<Decision[K]> };

/**
 * A cell says that the organization is not there. Control is asked, and its word is kept; where it does not know better, as while
 * it is away, the cell's word holds for this request alone, and only when it is newer. Never to a cell that is refused.
 */
async function redirect(
  ctx: EdgeContext,
  before: KeyDecision,
  { header, isRepeatable }: Misdirection,
  refuse: LocalityRule | undefined,
): Promise<ProxyTarget | Problem> {
  const anew = await decideAnew(ctx, { key: before.key, ...(refuse !== undefined && { refuse }) });
  if ("status" in anew) return anew;
  const decision = anew.cell.name === before.cell.name ? takeWord(ctx, anew, header) : anew;
  if (decision === undefined)
    return createEdgeProblem(
      "ROUTE_CHANGED",
      `${before.cell.name} and control do not agree yet on who serves this; repeat the request.`,
    );
  const address = addressOrProblem(ctx, decision.cell, refuse);
  if (typeof address !== "string") return address;
  if (!isRepeatable)
    return createEdgeProblem(
      "ROUTE_CHANGED",
      "The organization has moved, and the body cannot be sent again from here; repeat the request.",
    );
  return createTarget(ctx, { ...decision, address });
}

function takeWord(ctx: EdgeContext, known: Decision, header: Misdirection["header"]): Decision | undefined {
  const cell = ctx.routes.memory.findCell(header(CELL_HEADER) ?? "");
  const epoch = header(ROUTE_EPOCH_HEADER) ?? "";
  const { found } = known;
  if (cell === undefined || cell.name === known.cell.name || found === undefined) return undefined;
  if (!/^\d{1,15}$/.test(epoch) || Number(epoch) <= found.epoch) return undefined;
  return { ...known, cell, found: { ...found, cell, epoch: Number(epoch) } };
}

function createTarget({ upstreams, listener }: EdgeContext, { cell, address, found }: Decision): ProxyTarget {
  const name = listener?.nameOf?.(cell) ?? cell.name;
  const epoch = found === undefined ? [] : [ROUTE_EPOCH_HEADER, String(found.epoch)];
  return { upstream: upstreams.of(name, address), headers: [CELL_HEADER, cell.name, ...epoch] };
}

function explain(ctx: EdgeContext, req: ClientRequest, decision: Decision): string[] {
  if (!isOperator(req, ctx.operatorToken)) return [];
  return [EXPLAIN_HEADER, JSON.stringify(explainDecision(decision, ctx.routes.memory, ctx.now()))];
}
