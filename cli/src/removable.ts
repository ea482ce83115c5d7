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

/**
 * Says of everything that is deprecated here, in these services, whether anybody in the fleet used it within `days` days: and
 * of old names that silos report. Only what every silo that serves it has counted for longer than that is removable, and
 * nothing while a silo has not answered.
 */
export function judgeRemovability(
  services: readonly DescService[],
  { answers, failures }: SiloAnswers<SiloUses>,
  { days, mode }: { readonly days: number; readonly mode: FleetMode },
): Removability {
  const removable: (Subject & { unusedMs: number })[] = [];
  const kept: KeptSubject[] = [];
  const inResponses = deprecatedResponseFieldsOf(services);
  for (const { silosOf, ...subject } of listSubjects(services, answers, mode)) {
    const concerned = answers.filter(({ silo }) => silosOf(silo));
    const verdicts = concerned.map(({ silo, answer }) => judgeSilo(silo, findSubject(answer, subject), days * DAY_MS));
    const reasons = verdicts.flatMap((verdict) => verdict.reasons);
    const isInResponses = subject.kind === "FIELD" && inResponses.has(subject.subject);
    if (reasons.length > 0 || isInResponses) kept.push({ ...subject, reasons, isInResponses });
    else if (failures.length === 0 && concerned.length > 0)
      removable.push({ ...subject, unusedMs: Math.min(...verdicts.map(({ unusedMs }) => unusedMs)) });
  }
  for (const subject of inResponses) {
    if (kept.some(({ kind, subject: name }) => kind === "FIELD" && name === subject)) continue;
    kept.push({ kind: "FIELD", subject, reasons: [], isInResponses: true });
  }
  return { removable, kept };
}

/** Whether a silo of this name has to have counted it. */
type Concerns = (silo: string) => boolean;

function listSubjects(
  services: readonly DescService[],
  answers: SiloAnswers<SiloUses>["answers"],
  mode: FleetMode,
): (Subject & { silosOf: Concerns })[] {
  const subjects = new Map<string, Subject & { silosOf: Concerns }>();
  const add = (subject: Subject, concerns: Concerns) => {
    const key = `${subject.kind} ${subject.subject}`;
    const before = subjects.get(key)?.silosOf;
    subjects.set(key, { ...subject, silosOf: (silo) => concerns(silo) || before?.(silo) === true });
  };
  for (const service of services) {
    const isControl = servicePolicyOf(service).localMode === "CONTROL";
    // A monolith is asked once, for both sides.
    const concerns: Concerns = (silo) => mode === "monolith" || (silo === "control") === isControl;
    for (const subject of deprecatedSubjectsOf([service])) add(subject, concerns);
  }
  for (const { answer } of answers) {
    for (const { kind, subject } of answer.subjects)
      if (kind === DeprecatedKind.ALIAS) add({ kind: "ALIAS", subject }, () => true);
  }
  return [...subjects.values()].sort((one, other) =>
    `${one.kind} ${one.subject}` < `${other.kind} ${other.subject}` ? -1 : 1,
  );
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
