import { type Command, InvalidArgumentError, Option } from "commander";
import type { CommandContext } from "./context.js";
import { withFleet } from "./fleet-option.js";
import { SCOPES } from "./outbox-format.js";

/** Adds `cellway outbox …`. */
export function addOutbox(program: Command, ctx: CommandContext, finish: (exitCode: number) => void): void {
  const outbox = program.command("outbox").description("what silos have still to tell each other: see it, steer it");
  const define = (words: string, description: string) =>
    withFleet(outbox.command(words)).description(description).option("--json", "print one JSON line");
  define("status", "say what waits in every outbox, why, and who delivers it; fails when a silo did not answer")
    .option("--silo <name>", "control or a cell (default: all)")
    .addOption(scopeOption())
    .option("--category <category>", "number or name")
    .option("--destination <silo>", "the silo that it is for")
    .action(async (options) =>
      finish(await (await import("./commands/outbox-status.js")).runOutboxStatus(options, ctx)),
    );
  selecting(
    define("show", "list rows: those of a shard, parked ones, or those at which streams fail; never their content"),
  )
    .option("--parked", "messages that failed too often")
    .option("--failing", "of each stream that backs off the message that it is at")
    .option("--limit <count>", "rows at a time, 1 to 200 (default: 50)", parsePositive(200))
    .option("--page <token>", "go on where the list before ended")
    .action(async (options) => finish(await (await import("./commands/outbox-show.js")).runOutboxShow(options, ctx)));
  const steer = () => import("./commands/outbox-steer.js");
  const defineSteering = (words: string, description: string) =>
    selecting(define(words, description)).option("--all", "everything of the silo");
  defineSteering("retry", "put parked messages back, and try streams at once that back off").action(async (options) =>
    finish(await (await steer()).runOutboxRetry(options, ctx)),
  );
  defineSteering("pause", "keep rows, those to come included, until they are resumed").action(async (options) =>
    finish(await (await steer()).runOutboxPause(options, ctx)),
  );
  defineSteering("resume", "take pauses back: those that say all that the options say").action(async (options) =>
    finish(await (await steer()).runOutboxResume(options, ctx)),
  );
  define("backfill", "say how far tables are that are replicated anew; with --start begin with one")
    .option("--silo <name>", "control or a cell (default: all)")
    .option("--category <category>", "number or name")
    .option("--start", "begin, or change the rate of what is under way; needs --silo and --category")
    .option("--rate <count>", "messages in a second (default: what the code says)", parsePositive(1_000_000))
    .option("--follow", "print progress until everything is done")
    .action(async (options) =>
      finish(await (await import("./commands/outbox-backfill.js")).runOutboxBackfill(options, ctx)),
    );
}

function selecting(command: Command): Command {
  return command
    .requiredOption("--silo <name>", "control or a cell")
    .addOption(scopeOption())
    .option("--shard <id>", "one shard; needs --scope")
    .option("--category <category>", "number or name")
    .option("--destination <silo>", "the silo that it is for");
}

function scopeOption(): Option {
  return new Option("--scope <scope>", "what the shards are").choices(SCOPES);
}

function parsePositive(max: number): (text: string) => number {
  return (text) => {
    const number = /^\d{1,9}$/.test(text) ? Number(text) : 0;
    if (number < 1 || number > max) throw new InvalidArgumentError(`It must be a whole number of 1 to ${max}.`);
    return number;
  };
}
