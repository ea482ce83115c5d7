import { createHash, timingSafeEqual } from "node:crypto";
import type { RouteMemory } from "@cellway/locator";
import type { ClientRequest } from "../proxy/client-exchange.js";
import type { Decision } from "./decide.js";
import { ageOf } from "./routes-report.js";

/** The header in which an operator sends the token, and in which an edge explains itself. */
export const EXPLAIN_HEADER = "x-cellway-explain";

/** With the token, and any value: the request is explained as the whole answer, and not sent on. */
export const EXPLAIN_ONLY_HEADER = "x-cellway-explain-only";

/** Why a request goes where it goes: what {@link EXPLAIN_HEADER} says in an answer, as JSON of one line. */
export interface EdgeExplanation {
  /** `organization slug acme`, `project key 0123…`, `static route /legacy/`. */
  readonly rule: string;
  readonly cell: string;
  readonly locality: string;
  /** The origin that the request is sent to. */
  readonly address: string;
  /** Of the route; null for a static one. */
  readonly epoch: number | null;
  /** Where the route was learned: `snapshot`, `change`, `question`, `disk`; null for a static one. */
  readonly from: string | null;
  readonly learnedAgoMs: number | null;
  /** How long ago everything was known that control knew; null before the first time. */
  readonly ageMs: number | null;
}

/** Whether a request carries the operator's token; compared in constant time. Nobody does while there is none. */
export function isOperator(req: ClientRequest, token: string | undefined): boolean {
  const said = req.headers[EXPLAIN_HEADER];
  if (token === undefined || typeof said !== "string") return false;
  return timingSafeEqual(digest(said), digest(token));
}

/** Explains a decision to an operator. */
export function explainDecision(
  { cell, address, found, rule }: Decision,
  memory: RouteMemory,
  nowMs: number,
): EdgeExplanation {
  return {
    rule,
    cell: cell.name,
    locality: cell.locality,
    address,
    epoch: found?.epoch ?? null,
    from: found?.origin ?? null,
    learnedAgoMs: found === undefined ? null : Math.max(0, nowMs - found.learnedAtMs),
    ageMs: ageOf(memory, nowMs),
  };
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
