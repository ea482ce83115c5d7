import { type Command, Option } from "commander";
import type { CommandContext } from "./context.js";
import { withFleet } from "./fleet-option.js";

/** Adds `cellway routes …`. */
export function addRoutes(program: Command, ctx: CommandContext, finish: (exitCode: number) => void): void {
  const routes = program.command("routes").description("where organizations live, for routers that are not ours");
  const collect = (text: string, earlier: readonly string[]) => [...earlier, text];
  withFleet(routes.command("export"))
    .description("write which cell every slug, id and project key leads to; with --follow keep it up to date")
    .addOption(
      new Option("--format <format>", "map files for HAProxy, or one JSON object")
        .choices(["haproxy", "json"])
        .makeOptionMandatory(),
    )
    .option("--locality <name>", "only what lives in this locality; may be repeated (default: all)", collect, [])
    .option(
      "--out <dir>",
      "the folder of the files: organizations.map, project-keys.map and backends.cfg, or routes.json",
    )
    .option(
      "--server <cell=host:port>",
      "where a cell's HTTP is reached, for backends.cfg; may be repeated",
      collect,
      [],
    )
    .option("--follow", "go on until stopped: files at most every 10 s, HAProxy at once")
    .option("--socket <path>", "HAProxy's stats socket, level admin: its maps are kept up to date without a reload")
    .action(async (options) =>
      finish(await (await import("./commands/routes-export.js")).runRoutesExport(options, ctx)),
    );
}
