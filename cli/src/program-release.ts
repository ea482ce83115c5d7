import type { Command } from "commander";
import type { CommandContext } from "./context.js";
import { addReleaseRetire } from "./program-fleet.js";

/** Adds `cellway release …`. */
export function addReleases(program: Command, ctx: CommandContext, finish: (exitCode: number) => void): void {
  const release = program.command("release").description("releases whose contracts every change has to be safe beside");
  release
    .command("cut")
    .description("keep the contracts of a commit as those of its release; in a source checkout")
    .option("--commit <ref>", "the commit that is released (default: HEAD, with nothing of proto/ left to commit)")
    .option("--json", "print one JSON line")
    .action(async (options) => finish(await (await import("./commands/release-cut.js")).runReleaseCut(options, ctx)));
  addReleaseRetire(release, ctx, finish);
}
