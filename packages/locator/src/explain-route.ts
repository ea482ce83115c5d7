import type { Finding, Locator } from "./locator.js";
import type { RouteKey } from "./route-directory.js";
import type { RouteOrigin } from "./table/route-table.js";

/** Why a request for an organization goes where it goes. */
export interface RouteExplanation {
  /** `organization slug`: what the route was looked up by. */
  readonly rule: string;
  readonly key: string;
  readonly outcome: Finding["outcome"];
  readonly cell: string | null;
  readonly locality: string | null;
  readonly address: string | null;
  readonly epoch: number | null;
  /** Where the answer came from; `absence` is an earlier answer that there is none. */
  readonly from: RouteOrigin | "absence";
  /** How long ago the route was learned, in milliseconds; null for a key that leads nowhere. */
  readonly learnedAgoMs: number | null;
  /** How long ago everything was known that control knew, in milliseconds; null before the first time. */
  readonly ageMs: number | null;
  /** A sentence that says it all. */
  readonly why: string;
}

/** Explains where the locator sends a key; asks the directory when it must, and fails as `find` does. */
export async function explainRoute(
  locator: Locator,
  key: RouteKey,
  now: () => number = Date.now,
): Promise<RouteExplanation> {
  const remembered = locator.findKnown(key) === undefined ? locator.findAbsence(key) : undefined;
  const finding = await locator.find(key);
  const { completeUntilMs } = locator.memory;
  const rule = `organization ${key.kind}`;
  const ageMs = completeUntilMs === undefined ? null : Math.max(0, now() - completeUntilMs);
  const common = { rule, key: key.value, outcome: finding.outcome, ageMs };
  if (finding.outcome === "routed") {
    const { cell, epoch, origin } = finding;
    const learnedAgoMs = Math.max(0, now() - finding.learnedAtMs);
    const why = `${rule} ${key.value} lives in ${cell.name} (${cell.locality}) since epoch ${epoch}, known from ${ORIGIN_PHRASES[origin]}`;
    return {
      ...common,
      cell: cell.name,
      locality: cell.locality,
      address: cell.address,
      epoch,
      from: origin,
      learnedAgoMs,
      why,
    };
  }
  const from = remembered === undefined ? "question" : "absence";
  const said = remembered === undefined ? "control says" : "control said a moment ago";
  const nowhere = { ...common, address: null, epoch: null, from, learnedAgoMs: null } as const;
  if (finding.outcome === "absent") {
    return { ...nowhere, cell: null, locality: null, why: `${said} that there is no ${rule} ${key.value}` };
  }
  const { cellName, locality } = finding;
  const why = `${said} that ${rule} ${key.value} lives in ${cellName}, of locality ${locality}, which is not served here`;
  return { ...nowhere, cell: cellName, locality, why };
}

const ORIGIN_PHRASES: Readonly<Record<RouteOrigin, string>> = {
  snapshot: "the feed's snapshot",
  change: "a change that the feed sent",
  question: "control's answer to a question",
  disk: "the copy on disk",
};
