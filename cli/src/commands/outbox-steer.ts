import type { OutboxPause } from "@cellway/gen/cellway/outbox/v1/operator";
import type { CommandContext } from "../context.js";
import { EXIT_OK, UsageError } from "../errors.js";
import { findFleet } from "../fleet-target.js";
import { withOperator } from "../operator.js";
import { type OutboxClient, openOutbox, type Selector } from "../outbox-client.js";
import { describePause, formatPauses, readSelector, type SelectorOptions, selectsAll } from "../outbox-format.js";

/** Options of the commands that steer an outbox. */
export interface OutboxSteerOptions extends SelectorOptions {
  readonly dataDir?: string;
  readonly json?: boolean;
  readonly silo: string;
  /** Everything is meant; otherwise something must be selected. */
  readonly all?: boolean;
}

/** Puts parked messages back, and has streams tried at once that back off. */
export function runOutboxRetry(options: OutboxSteerOptions, ctx: CommandContext): Promise<number> {
  return steer("retry", options, ctx, async (outbox, selector) => {
    const total = { retried: 0, superseded: 0, streams: 0 };
    let pageToken = "";
    do {
      const { report, nextPageToken } = await outbox.retry(selector, pageToken);
      total.retried += report?.retried ?? 0;
      total.superseded += report?.superseded ?? 0;
      total.streams += report?.streams ?? 0;
      pageToken = nextPageToken;
    } while (pageToken !== "");
    const stay =
      total.superseded === 0
        ? ""
        : ` ${plural(total.superseded, "stays", "stay")} parked, because a newer state waits already and replaces it.`;
    const sentence = `${plural(total.retried, "parked message is", "parked messages are")} put back, ${plural(total.streams, "stream that failed is", "streams that failed are")} tried at once.${stay}`;
    return [{ silo: options.silo, ...total }, sentence];
  });
}

/** Keeps rows, those to come included, until they are resumed. */
export function runOutboxPause(options: OutboxSteerOptions, ctx: CommandContext): Promise<number> {
  return steer("pause", options, ctx, async (outbox, selector) => {
    const { pauses } = await outbox.pause(selector);
    return [describePauses(options.silo, pauses), formatPauses(pauses.map((pause) => ({ silo: options.silo, pause })))];
  });
}

/** Takes pauses back. */
export function runOutboxResume(options: OutboxSteerOptions, ctx: CommandContext): Promise<number> {
  return steer("resume", options, ctx, async (outbox, selector) => {
    const { removed, pauses } = await outbox.resume(selector);
    const left = formatPauses(pauses.map((pause) => ({ silo: options.silo, pause })));
    const sentence = `${plural(removed, "pause is", "pauses are")} taken back.`;
    return [{ removed, ...describePauses(options.silo, pauses) }, `${sentence}\n\n${left}`];
  });
}

/** Prints a sentence, or the answer as JSON. */
async function steer(
  name: string,
  options: OutboxSteerOptions,
  ctx: CommandContext,
  work: (outbox: OutboxClient, selector: Selector) => Promise<[answer: object, sentence: string]>,
): Promise<number> {
  const selector = readSelector(options);
  if (selectsAll(options) !== (options.all === true)) {
    throw new UsageError(
      options.all === true
        ? `outbox ${name}: --all means everything, and something is selected; choose one.`
        : `outbox ${name}: say what with --destination, --scope, --shard or --category, or everything with --all.`,
    );
  }
  return withOperator(findFleet(options.dataDir, ctx), options, ctx, async ({ runtime }) => {
    const [answer, sentence] = await work(openOutbox(runtime, options.silo), selector);
    ctx.terminal.out(options.json === true ? JSON.stringify(answer) : sentence);
    return EXIT_OK;
  });
}

function describePauses(silo: string, pauses: readonly OutboxPause[]) {
  return { silo, pauses: pauses.map(describePause) };
}

function plural(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}
