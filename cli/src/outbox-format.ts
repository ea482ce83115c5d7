import { OutboxScope } from "@cellway/gen/cellway/contract/v1/options";
import { type OutboxPause, type OutboxSelector, OutboxState } from "@cellway/gen/cellway/outbox/v1/operator";
import type { FanOutFailure } from "@cellway/rpc";
import { formatCallError, reportCallError } from "./call-error.js";
import type { CommandContext } from "./context.js";
import { UsageError } from "./errors.js";
import type { Selector } from "./outbox-client.js";
import { formatTable, heading } from "./table.js";

/** Options that say which rows are meant. */
export interface SelectorOptions {
  readonly scope?: string;
  readonly shard?: string;
  readonly category?: string;
  readonly destination?: string;
}

/** The scopes that there are, as options name them. */
export const SCOPES = ["organization", "user", "integration"] as const;

/** @throws UsageError for a shard that is no id, or whose scope is not said. */
export function readSelector({ scope, shard, category = "", destination = "" }: SelectorOptions): Selector {
  if (shard !== undefined && !/^\d{1,19}$/.test(shard)) {
    throw new UsageError(`--shard ${shard}: must be the id of an organization, a user or an integration.`);
  }
  if (shard !== undefined && scope === undefined) {
    throw new UsageError(`--shard ${shard}: say of which scope it is with --scope ${SCOPES.join("|")}.`);
  }
  return {
    category,
    destination,
    ...(scope === undefined ? {} : { scope: OutboxScope[scope.toUpperCase() as keyof typeof OutboxScope] }),
    ...(shard === undefined ? {} : { shardId: shard }),
  };
}

/** Whether nothing is selected, so that everything is. */
export function selectsAll({ scope, shard, category, destination }: SelectorOptions): boolean {
  return scope === undefined && shard === undefined && category === undefined && destination === undefined;
}

/** `organization`; the number of a scope that this version does not know. */
export function nameOfScope(scope: OutboxScope): string {
  return OutboxScope[scope]?.toLowerCase() ?? String(scope);
}

/** `backing off`. */
export function nameOfState(state: OutboxState): string {
  return (OutboxState[state] ?? String(state)).toLowerCase().replaceAll("_", " ");
}

/** `ProjectKeyReplica (1)`; the number alone of a category that the silo does not know. */
export function nameOfCategory(category: number, categoryName: string): string {
  const name = categoryName.slice(categoryName.lastIndexOf(".") + 1);
  return name === "" ? String(category) : `${name} (${category})`;
}

/** A span of time in its two largest units: `850ms`, `12s`, `3m 10s`, `2d 4h`. */
export function formatAge(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)}ms`;
  const seconds = Math.floor(ms / 1_000);
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3_600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ] as const;
  const first = parts.findIndex(([value]) => value > 0);
  return parts
    .slice(first, first + 2)
    .filter(([value]) => value > 0)
    .map(([value, unit]) => `${value}${unit}`)
    .join(" ");
}

/** What a pause is about: `everything`, or `destination us1, shard organization 7`. */
function formatSelector(selector: OutboxSelector | undefined): string {
  const { destination = "", scope = OutboxScope.UNSPECIFIED, shardId, category = "" } = selector ?? {};
  const parts = [
    ...(destination === "" ? [] : [`destination ${destination}`]),
    ...(category === "" ? [] : [`category ${category}`]),
    ...(scope === OutboxScope.UNSPECIFIED ? [] : [`scope ${nameOfScope(scope)}`]),
    ...(shardId === undefined ? [] : [`shard ${shardId}`]),
  ];
  return parts.join(", ") || "everything";
}

/** What is paused, as a table; a sentence when nothing is. */
export function formatPauses(pauses: readonly { readonly silo: string; readonly pause: OutboxPause }[]): string {
  if (pauses.length === 0) return "Nothing is paused.";
  const rows = pauses.map(({ silo, pause }) => [silo, formatSelector(pause.selector), formatAge(pause.ageMs)]);
  return formatTable([heading("silo", "paused", "for"), ...rows]);
}

/** A pause as `--json` prints it. */
export function describePause({ selector, ageMs }: OutboxPause) {
  return {
    destination: selector?.destination || null,
    scope: selector === undefined || selector.scope === OutboxScope.UNSPECIFIED ? null : nameOfScope(selector.scope),
    shard: selector?.shardId ?? null,
    category: selector === undefined || selector.category === "" ? null : Number(selector.category),
    ageMs: Math.round(ageMs),
  };
}

/** Names the silos that did not answer, each on a line of its own. */
export function printFailures(failures: readonly FanOutFailure[], ctx: CommandContext): void {
  for (const { cell, error } of failures) ctx.terminal.err(`${cell} did not answer: ${formatCallError(error)}`);
}

/** Silos that did not answer as `--json` prints them. */
export function describeFailures(failures: readonly FanOutFailure[]) {
  return failures.map(({ cell, error }) => ({ silo: cell, error: reportCallError(error) }));
}
