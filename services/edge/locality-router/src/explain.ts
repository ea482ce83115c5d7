import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Locator } from "@cellway/locator";
import type { Decision } from "./decide.js";

/** The header in which an operator sends the token, and in which the router explains itself. */
export const EXPLAIN_HEADER = "x-cellway-explain";

/** Whether a request carries the operator's token; compared in constant time. Nobody does while there is none. */
export function isOperator(req: IncomingMessage, token: string | undefined): boolean {
  const said = req.headers[EXPLAIN_HEADER];
  if (token === undefined || typeof said !== "string") return false;
  return timingSafeEqual(digest(said), digest(token));
}

/** Why a request goes where it goes, as JSON of one line: rule, cell, epoch, where that came from and how old it is. */
export function formatExplanation(
  { cell, locality, found, rule }: Decision,
  { memory }: Locator,
  nowMs: number,
): string {
  const ageMs = memory.completeUntilMs === undefined ? null : Math.max(0, nowMs - memory.completeUntilMs);
  return JSON.stringify({
    rule,
    cell: cell.name,
    locality,
    address: cell.httpAddress,
    epoch: found?.epoch ?? null,
    from: found?.origin ?? null,
    learnedAgoMs: found === undefined ? null : Math.max(0, nowMs - found.learnedAtMs),
    ageMs,
  });
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
