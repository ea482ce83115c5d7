import {
  type OutboxDepth,
  type OutboxOwner,
  OutboxState,
  type OutboxStatus,
} from "@cellway/gen/cellway/outbox/v1/operator";
import type { CommandContext } from "../context.js";
import { EXIT_FAILED, EXIT_OK } from "../errors.js";
import { findFleet } from "../fleet-target.js";
import { withOperator } from "../operator.js";
import { askOutboxes } from "../outbox-client.js";
import {
  describeFailures,
  describePause,
  formatAge,
  formatPauses,
  nameOfCategory,
  nameOfScope,
  nameOfState,
  printFailures,
} from "../outbox-format.js";
import type { SiloAnswers } from "../silo-answers.js";
import { formatTable, heading } from "../table.js";

/** Options of `cellway outbox status`. */
export interface OutboxStatusOptions {
  readonly dataDir?: string;
  readonly json?: boolean;
  readonly silo?: string;
  readonly scope?: string;
  readonly category?: string;
  readonly destination?: string;
}

/** Says of one silo, or of all, what waits in its outbox, why, and who delivers. Fails when a silo did not answer. */
export async function runOutboxStatus(options: OutboxStatusOptions, ctx: CommandContext): Promise<number> {
  const target = findFleet(options.dataDir, ctx);
  return withOperator(target, options, ctx, async ({ runtime }) => {
    const statuses = await askOutboxes(runtime, target, options.silo, async (outbox, callOptions) => {
      const { status } = await outbox.status(callOptions);
      if (status === undefined) throw new Error("The silo answered without a status.");
      return { ...status, depths: status.depths.filter((depth) => isWanted(depth, options)) };
    });
    if (options.json === true) ctx.terminal.out(JSON.stringify(describeStatuses(statuses)));
    else if (statuses.answers.length > 0) ctx.terminal.out(formatStatuses(statuses.answers));
    if (options.json !== true) printFailures(statuses.failures, ctx);
    return statuses.failures.length === 0 ? EXIT_OK : EXIT_FAILED;
  });
}

function isWanted(depth: OutboxDepth, { scope, category, destination }: OutboxStatusOptions): boolean {
  const names = [String(depth.category), depth.categoryName, depth.categoryName.split(".").at(-1)];
  return (
    (scope === undefined || nameOfScope(depth.scope) === scope) &&
    (category === undefined || names.includes(category)) &&
    (destination === undefined || depth.destination === destination)
  );
}

type Status = Pick<OutboxStatus, "depths" | "heldStreams" | "owner" | "pauses">;

/** The silos, then what waits in them, then what is paused. */
function formatStatuses(answers: SiloAnswers<Status>["answers"]): string {
  const silos = answers.map(({ silo, answer }) => [
    silo,
    countOf(answer.depths, (state) => state !== OutboxState.PARKED),
    countOf(answer.depths, (state) => state === OutboxState.PARKED),
    ageOf(answer.depths),
    answer.heldStreams
      .map(({ state, streams, isMore }) => `${count(streams, isMore)} ${nameOfState(state)}`)
      .join(", ") || "-",
    ownerOf(answer.owner),
    answer.owner?.process ? (answer.owner.notificationsWork ? "yes" : "no, it polls") : "-",
  ]);
  const titles = heading("silo", "waiting", "parked", "oldest", "held streams", "delivered by", "notified");
  const rows = answers.flatMap(({ silo, answer }) => answer.depths.map((depth) => [silo, ...rowOf(depth)]));
  const details = heading("silo", "category", "scope", "destination", "state", "rows", "oldest", "delivered/s");
  const pauses = answers.flatMap(({ silo, answer }) => answer.pauses.map((pause) => ({ silo, pause })));
  return [
    formatTable([titles, ...silos]),
    ...(rows.length === 0 ? ["Nothing waits."] : [formatTable([details, ...rows])]),
    ...(pauses.length === 0 ? [] : [formatPauses(pauses)]),
  ].join("\n\n");
}

function rowOf(depth: OutboxDepth): string[] {
  return [
    nameOfCategory(depth.category, depth.categoryName),
    nameOfScope(depth.scope),
    depth.destination,
    nameOfState(depth.state),
    count(depth.depth, depth.isMore),
    formatAge(depth.oldestAgeMs),
    depth.deliveredPerSecond.toFixed(1),
  ];
}

function count(number: number, isMore: boolean): string {
  return `${number}${isMore ? "+" : ""}`;
}

function countOf(depths: readonly OutboxDepth[], select: (state: OutboxState) => boolean): string {
  const selected = depths.filter(({ state }) => select(state));
  return count(
    selected.reduce((sum, { depth }) => sum + depth, 0),
    selected.some(({ isMore }) => isMore),
  );
}

function ageOf(depths: readonly OutboxDepth[]): string {
  const ages = depths.filter(({ state }) => state !== OutboxState.PARKED).map(({ oldestAgeMs }) => oldestAgeMs);
  return ages.length === 0 ? "-" : formatAge(Math.max(...ages));
}

function ownerOf(owner: OutboxOwner | undefined): string {
  if (owner?.isOwned !== true) return "nobody";
  return `${owner.process === "" ? "a process that has not said more" : owner.process} (epoch ${owner.epoch})`;
}

function describeStatuses({ answers, failures }: SiloAnswers<Status>) {
  return {
    silos: answers.map(({ silo, answer }) => ({
      silo,
      depths: answer.depths.map((depth) => ({
        scope: nameOfScope(depth.scope),
        category: depth.category,
        categoryName: depth.categoryName,
        destination: depth.destination,
        state: OutboxState[depth.state],
        depth: depth.depth,
        isMore: depth.isMore,
        oldestAgeMs: Math.round(depth.oldestAgeMs),
        deliveredPerSecond: depth.deliveredPerSecond,
      })),
      heldStreams: answer.heldStreams.map(({ state, streams, isMore }) => ({
        state: OutboxState[state],
        streams,
        isMore,
      })),
      owner: describeOwner(answer.owner),
      pauses: answer.pauses.map(describePause),
    })),
    failures: describeFailures(failures),
  };
}

function describeOwner(owner: OutboxOwner | undefined) {
  if (owner?.isOwned !== true) return null;
  const { process, epoch, notificationsWork } = owner;
  return { process: process === "" ? null : process, epoch, notificationsWork };
}
