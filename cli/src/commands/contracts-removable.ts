import { DAY_MS } from "@cellway/fleet/limits";
import type { CommandContext } from "../context.js";
import { SERVED_CONTRACTS } from "../contracts.js";
import { EXIT_FAILED, EXIT_OK } from "../errors.js";
import { askDeprecatedUses, type SiloUses } from "../fleet-client.js";
import { findFleet } from "../fleet-target.js";
import { withOperator } from "../operator.js";
import { describeFailures, formatAge, printFailures } from "../outbox-format.js";
import { judgeContracts, type KeptSubject, type Reason, type Removability, type Subject } from "../removable.js";
import type { SiloAnswers } from "../silo-answers.js";
import { formatTable, heading } from "../table.js";

/** Silos that one line names. `--json` names all. */
const SILOS_NAMED_MAX = 5;

/** Options of `cellway contracts removable`. */
export interface ContractsRemovableOptions {
  readonly dataDir?: string;
  readonly json?: boolean;
  /** 1 to 90. */
  readonly days: number;
}

/**
 * Says what of the contracts nobody in the fleet has used for some days, and who still uses the rest. While a silo has not
 * answered nothing is called removable, and the command fails.
 */
export async function runContractsRemovable(options: ContractsRemovableOptions, ctx: CommandContext): Promise<number> {
  const target = findFleet(options.dataDir, ctx);
  return withOperator(target, options, ctx, async ({ runtime }) => {
    const uses = await askDeprecatedUses(runtime, target);
    const judgement = judgeContracts(SERVED_CONTRACTS, uses, { days: options.days, mode: target.mode });
    if (options.json === true) ctx.terminal.out(JSON.stringify(describe(judgement, uses, options.days)));
    else {
      ctx.terminal.out(format(judgement, uses, options.days));
      printFailures(uses.failures, ctx);
    }
    return uses.failures.length === 0 ? EXIT_OK : EXIT_FAILED;
  });
}

function format({ removable, kept }: Removability, uses: SiloAnswers<SiloUses>, days: number): string {
  const rows = removable.map((subject) => [
    ...nameColumns(subject),
    formatAge(subject.unusedMs),
    sinceOf(subject.unusedMs),
  ]);
  return [
    ...formatRemovable(rows, uses.failures.length > 0, days),
    ...formatUsers(kept),
    ...formatUnknown(kept),
    ...lostOf(uses, days).map(
      ({ silo, count, lastMs }) =>
        `${silo}: ${count} ${count === 1 ? "process" : "processes"} ended without a goodbye, the last ${formatAge(lastMs)} ago; what was used in the last seconds of one may not be known.`,
    ),
  ].join("\n\n");
}

function formatRemovable(rows: readonly string[][], isIncomplete: boolean, days: number): string[] {
  if (isIncomplete) return ["A silo has not answered: it is not known what may be removed."];
  if (rows.length === 0) return ["Nothing may be removed."];
  const title = `May be removed: nobody in the fleet has used it for more than ${days} ${days === 1 ? "day" : "days"}.`;
  return [`${title}\n${formatTable([heading("what", "kind", "unused for", "since"), ...rows])}`];
}

function formatUsers(kept: readonly KeptSubject[]): string[] {
  const rows = kept.flatMap((subject) =>
    subject.reasons.flatMap((reason) => {
      if (reason.why !== "USED") return [];
      const { silo, users, more } = reason;
      const named = users.map(({ caller, service, version, lastUsedMs, useCount }) => [
        ...nameColumns(subject),
        silo,
        caller,
        service,
        version,
        `${formatAge(lastUsedMs)} ago`,
        useCount,
      ]);
      return more === 0 ? named : [...named, [...nameColumns(subject), silo, `and ${more} more`]];
    }),
  );
  if (rows.length === 0) return [];
  const titles = heading("what", "kind", "in", "caller", "service", "version", "last", "times");
  return [`Still used:\n${formatTable([titles, ...rows])}`];
}

/** One line for all silos with the same reason. */
function formatUnknown(kept: readonly KeptSubject[]): string[] {
  const rows = kept.flatMap((subject) => [
    ...groupUncounted(subject.reasons).map(({ silos, why }) => [...nameColumns(subject), formatSilos(silos), why]),
    ...(subject.isInResponses
      ? [[...nameColumns(subject), "all", "responses carry it: nobody sees who reads it"]]
      : []),
  ]);
  if (rows.length === 0) return [];
  return [`Not known to be unused:\n${formatTable([heading("what", "kind", "in", "why"), ...rows])}`];
}

function groupUncounted(reasons: readonly Reason[]): { silos: string[]; why: string }[] {
  const short = reasons.flatMap((reason) => (reason.why === "COUNTED_TOO_SHORT" ? [reason] : []));
  const leastMs = Math.min(...short.map(({ countedMs }) => countedMs));
  const groups = [{ silos: short.map(({ silo }) => silo), why: `counted only for ${formatAge(leastMs)}` }];
  for (const reason of reasons) {
    if (reason.why !== "NOT_COUNTED") continue;
    const { silo, versions } = reason;
    const why = `not counted by ${versions.length === 0 ? "its processes" : `processes of ${versions.join(", ")}`}`;
    const group = groups.find((candidate) => candidate.why === why);
    if (group === undefined) groups.push({ silos: [silo], why });
    else group.silos.push(silo);
  }
  return groups.filter(({ silos }) => silos.length > 0);
}

function formatSilos(silos: readonly string[]): string {
  const named = silos.slice(0, SILOS_NAMED_MAX).join(", ");
  return silos.length <= SILOS_NAMED_MAX ? named : `${named} and ${silos.length - SILOS_NAMED_MAX} more`;
}

function nameColumns({ kind, subject }: Subject): string[] {
  return [subject, kind.toLowerCase()];
}

function sinceOf(ageMs: number): string {
  return `${new Date(Date.now() - ageMs).toISOString().slice(0, 16).replace("T", " ")}Z`;
}

/** Silos of which a process was killed within the days. */
function lostOf({ answers }: SiloAnswers<SiloUses>, days: number) {
  return answers.flatMap(({ silo, answer: { lost } }) => {
    const lastMs = lost?.lastMs ?? Number.POSITIVE_INFINITY;
    return lastMs <= days * DAY_MS ? [{ silo, count: lost?.count ?? 0, lastMs }] : [];
  });
}

function describe({ removable, kept }: Removability, uses: SiloAnswers<SiloUses>, days: number) {
  return {
    days,
    removable: removable.map(({ kind, subject, unusedMs }) => ({ kind, subject, unusedMs: Math.round(unusedMs) })),
    kept: kept.map(({ kind, subject, reasons, isInResponses }) => ({
      kind,
      subject,
      isInResponses,
      reasons: reasons.map(describeReason),
    })),
    lost: lostOf(uses, days).map(({ silo, count, lastMs }) => ({ silo, count, lastMs: Math.round(lastMs) })),
    failures: describeFailures(uses.failures),
  };
}

function describeReason(reason: Reason) {
  if (reason.why === "NOT_COUNTED") return reason;
  if (reason.why === "COUNTED_TOO_SHORT") return { ...reason, countedMs: Math.round(reason.countedMs) };
  const users = reason.users.map(({ caller, service, version, lastUsedMs, useCount }) => ({
    caller,
    service,
    version,
    useCount,
    lastUsedMs: Math.round(lastUsedMs),
  }));
  return { ...reason, users };
}
