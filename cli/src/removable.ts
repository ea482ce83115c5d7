import type { DescService } from "@bufbuild/protobuf";
import { DAY_MS, USE_DAYS_MAX } from "@cellway/fleet/limits";
import { DeprecatedKind, type DeprecatedSubject, type DeprecatedUser } from "@cellway/gen/cellway/fleet/v1/fleet";
import { deprecatedResponseFieldsOf, deprecatedSubjectsOf, servicePolicyOf } from "@cellway/rpc";
import type { SiloUses } from "./fleet-client.js";
import type { FleetMode } from "./fleet-file.js";
import type { SiloAnswers } from "./silo-answers.js";

/** A deprecated thing. */
export interface Subject {
  readonly kind: "METHOD" | "FIELD" | "ALIAS";
  readonly subject: string;
}

/** Why a silo keeps something from being removed. */
export type Reason = { readonly silo: string } & (
  | {
      readonly why: "USED";
      /** Who used it within the days that were asked about, the latest first; not all, when `more` is not 0. */
      readonly users: readonly DeprecatedUser[];
      readonly more: number;
    }
  | { readonly why: "COUNTED_TOO_SHORT"; readonly countedMs: number }
  /** Of which releases processes run that do not count it; empty when none does. */
  | { readonly why: "NOT_COUNTED"; readonly versions: readonly string[] }
);

/** What is deprecated, and whether it may go. */
export interface Removability {
  /** Nobody used it within the days, in any silo, for at least so long. */
  readonly removable: readonly (Subject & { readonly unusedMs: number })[];
  readonly kept: readonly KeptSubject[];
}

/** What may not go, or not yet. */
export interface KeptSubject extends Subject {
  readonly reasons: readonly Reason[];
  /** A field that silos answer with: nobody sees who reads it, so that it is never called removable. */
  readonly isInResponses: boolean;
}

/** For how long nobody may have used what is called removable, and how the fleet runs. */
export interface RemovabilityOptions {
  /** Days, 1 to 90. */
  readonly days: number;
  readonly mode: FleetMode;
}

/**
 * Says of all that is deprecated in the contracts of these services whether anybody in the fleet used it within `days` days.
 * Only what every silo that serves it has counted for longer than that is removable, and nothing while a silo has not
 * answered.
 */
export function judgeContracts(
  services: readonly DescService[],
  uses: SiloAnswers<SiloUses>,
  options: RemovabilityOptions,
): Removability {
  const { removable, kept } = judge(listDeprecated(services, options.mode), uses, options);
  const inResponses = deprecatedResponseFieldsOf(services);
  const isInResponses = ({ kind, subject }: Subject) => kind === "FIELD" && inResponses.has(subject);
  const named = new Set(kept.flatMap(({ kind, subject }) => (kind === "FIELD" ? [subject] : [])));
  const others = [...inResponses].filter((subject) => !named.has(subject));
  return {
    removable: removable.filter((subject) => !isInResponses(subject)),
    kept: [
      ...kept.map((subject) => ({ ...subject, isInResponses: isInResponses(subject) })),
      ...others.map((subject) => ({ kind: "FIELD", subject, reasons: [], isInResponses: true }) as const),
    ],
  };
}

/** Says the same of the old names that silos report. */
export function judgeAliases(uses: SiloAnswers<SiloUses>, options: RemovabilityOptions): Removability {
  const names = new Set<string>();
  for (const { answer } of uses.answers)
    for (const { kind, subject } of answer.subjects) if (kind === DeprecatedKind.ALIAS) names.add(subject);
  const subjects = [...names].map((subject) => ({ kind: "ALIAS", subject, concerns: () => true }) as const);
  return judge(subjects.sort(compareSubjects), uses, options);
}

/** A subject and whether a silo of some name has to have counted it. */
interface Counted extends Subject {
  readonly concerns: (silo: string) => boolean;
}

function judge(
  subjects: readonly Counted[],
  { answers, failures }: SiloAnswers<SiloUses>,
  { days }: RemovabilityOptions,
): Removability {
  const removable: (Subject & { unusedMs: number })[] = [];
  const kept: KeptSubject[] = [];
  for (const { concerns, ...subject } of subjects) {
    const concerned = answers.filter(({ silo }) => concerns(silo));
    const verdicts = concerned.map(({ silo, answer }) => judgeSilo(silo, findSubject(answer, subject), days * DAY_MS));
    const reasons = verdicts.flatMap((verdict) => verdict.reasons);
    if (reasons.length > 0) kept.push({ ...subject, reasons, isInResponses: false });
    else if (failures.length === 0 && concerned.length > 0)
      removable.push({ ...subject, unusedMs: Math.min(...verdicts.map(({ unusedMs }) => unusedMs)) });
  }
  return { removable, kept };
}

function listDeprecated(services: readonly DescService[], mode: FleetMode): Counted[] {
  const subjects = new Map<string, Counted>();
  for (const service of services) {
    const isControl = servicePolicyOf(service).localMode === "CONTROL";
    // A monolith is asked once, for both sides.
    const concerns = (silo: string) => mode === "monolith" || (silo === "control") === isControl;
    for (const subject of deprecatedSubjectsOf([service])) {
      const key = `${subject.kind} ${subject.subject}`;
      const before = subjects.get(key);
      subjects.set(key, { ...subject, concerns: (silo) => concerns(silo) || before?.concerns(silo) === true });
    }
  }
  return [...subjects.values()].sort(compareSubjects);
}

function compareSubjects(one: Subject, other: Subject): number {
  return `${one.kind} ${one.subject}` < `${other.kind} ${other.subject}` ? -1 : 1;
}

function findSubject({ subjects }: SiloUses, wanted: Subject): DeprecatedSubject | undefined {
  return subjects.find(({ kind, subject }) => kind === DeprecatedKind[wanted.kind] && subject === wanted.subject);
}

function judgeSilo(
  silo: string,
  known: DeprecatedSubject | undefined,
  windowMs: number,
): { readonly reasons: readonly Reason[]; readonly unusedMs: number } {
  const reasons: Reason[] = [];
  const countedMs = known?.countedMs;
  const lastUsedMs = known?.lastUsedMs ?? Number.POSITIVE_INFINITY;
  if (known !== undefined && lastUsedMs <= windowMs) {
    const users = known.users.filter((user) => user.lastUsedMs <= windowMs);
    // Those that are not named used it before the last one that is.
    const more = users.length === known.users.length ? known.callerCount - users.length : 0;
    reasons.push({ silo, why: "USED", users, more });
  }
  if (countedMs === undefined) reasons.push({ silo, why: "NOT_COUNTED", versions: known?.uncountedBy ?? [] });
  else if (countedMs <= windowMs) reasons.push({ silo, why: "COUNTED_TOO_SHORT", countedMs });
  return { reasons, unusedMs: Math.min(countedMs ?? 0, lastUsedMs, USE_DAYS_MAX * DAY_MS) };
}
