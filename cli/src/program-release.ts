import type { Command } from "commander";
import type { CommandContext } from "./context.js";
import { withFleet } from "./fleet-option.js";

/** Adds `cellway release …`. */
export function addReleases(program: Command, ctx: CommandContext, finish: (exitCode: number) => void): void {
  const release = program.command("release").description("releases whose contracts every change has to be safe beside");
  release
    .command("cut")
    .description("keep the contracts of a commit as those of its release; in a source checkout")
    .option("--commit <ref>", "the commit that is released (default: HEAD, with nothing of proto/ left to commit)")
    .option("--json", "print one JSON line")
    .action(async (options) => finish(await (await import("./commands/release-cut.js")).runReleaseCut(options, ctx)));
  withFleet(release.command("retire <version>"))
    .description("remove a release's contracts from this source tree; refused while a process reports that release")
    .option("--force", "ask nobody: for a release before 0.2.0, which does not report itself")
    .option("--json", "print one JSON line")
    .action(async (version, options) =>
      finish(await (await import("./commands/release-retire.js")).runReleaseRetire(version, options, ctx)),
    );
}
