import type { Finding, Locator } from "./locator.js";
import { KIND_PHRASES, type RouteKey } from "./route-directory.js";
import type { RouteOrigin } from "./table/records.js";

/** Why a request for an organization goes where it goes. */
export interface RouteExplanation {
  /** What the route was looked up by: `organization slug`, `organization slug alias`, `organization id`, `project key`. */
  readonly rule: string;
  readonly key: string;
  readonly outcome: Finding["outcome"];
  /** The id and slug of the organization that the key leads to; null when it is not routed here. */
  readonly organizationId: string | null;
  readonly organizationSlug: string | null;
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
  const rule = KIND_PHRASES[key.kind];
  const ageMs = completeUntilMs === undefined ? null : Math.max(0, now() - completeUntilMs);
  const common = { rule, key: key.value, outcome: finding.outcome, ageMs };
  if (finding.outcome === "routed") {
    const { cell, epoch, origin, organizationId, slug } = finding;
    const learnedAgoMs = Math.max(0, now() - finding.learnedAtMs);
    const isAlias = key.kind === "slug" && slug !== key.value;
    const named = `${rule}${isAlias ? " alias" : ""} ${key.value}`;
    const leads =
      isAlias || key.kind === "projectKey" ? ` leads to organization ${slug} (${organizationId}), which` : "";
    const why = `${named}${leads} lives in ${cell.name} (${cell.locality}) since epoch ${epoch}, known from ${ORIGIN_PHRASES[origin]}`;
    return {
      ...common,
      rule: isAlias ? `${rule} alias` : rule,
      organizationId,
      organizationSlug: slug,
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
  const unknown = { organizationId: null, organizationSlug: null, address: null, epoch: null, learnedAgoMs: null };
  const nowhere = { ...common, ...unknown, from } as const;
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
