import { USE_DAYS_MAX } from "@cellway/fleet/limits";
import { type Command, InvalidArgumentError } from "commander";
import type { CommandContext } from "./context.js";
import { withFleet } from "./fleet-option.js";

type Finish = (exitCode: number) => void;

/** Adds `cellway fleet …`, `cellway contracts …` and `cellway aliases`. */
export function addFleet(program: Command, ctx: CommandContext, finish: Finish): void {
  const fleet = program.command("fleet").description("the processes of the fleet");
  withFleet(fleet.command("versions"))
    .description("say which release every process runs, and since when; fails when a silo did not answer")
    .option("--json", "print one JSON line")
    .action(async (options) =>
      finish(await (await import("./commands/fleet-versions.js")).runFleetVersions(options, ctx)),
    );
  const contracts = program.command("contracts").description("what silos serve each other");
  withFleet(contracts.command("removable"))
    .description("say what is deprecated and unused in the whole fleet, and who still uses the rest")
    .option("--days <days>", `unused for how long, 1 to ${USE_DAYS_MAX}`, parseDays, 7)
    .option("--json", "print one JSON line")
    .addHelpText("after", "\nFails, and calls nothing removable, when a silo did not answer.")
    .action(async (options) =>
      finish(await (await import("./commands/contracts-removable.js")).runContractsRemovable(options, ctx)),
    );
  withFleet(program.command("aliases"))
    .description("print the old names that still work, and which of them the fleet still uses")
    .option("--days <days>", `unused for how long, 1 to ${USE_DAYS_MAX}`, parseDays, 7)
    .option("--json", "print one JSON line")
    .action(async (options) => finish(await (await import("./commands/aliases.js")).runAliases(options, ctx)));
}

function parseDays(text: string): number {
  const days = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (days < 1 || days > USE_DAYS_MAX)
    throw new InvalidArgumentError(`It must be a whole number of 1 to ${USE_DAYS_MAX}.`);
  return days;
}
