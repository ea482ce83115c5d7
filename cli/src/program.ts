import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import type { CommandContext } from "./context.js";
import { describeError, EXIT_OK, EXIT_USAGE, exitCodeOf } from "./errors.js";
import { withFleet } from "./fleet-option.js";
import { MIGRATE_PHASES } from "./migrate-phases.js";
import { addFleet } from "./program-fleet.js";
import { addOutbox } from "./program-outbox.js";
import { addReleases } from "./program-release.js";
import { addRoutes } from "./program-routes.js";
import { DEFAULT_DATA_DIR, formatSettings } from "./settings.js";
import { EDGE_KINDS, SILO_KINDS } from "./silo-kinds.js";
import { VERSION } from "./version.js";

/**
 * Runs one command line, without `node` and the script.
 *
 * @returns its exit code: 0 done, 1 failed, 2 not understood or wrong settings. Whatever went wrong has been printed.
 */
export async function runProgram(args: readonly string[], ctx: CommandContext): Promise<number> {
  let exitCode = EXIT_OK;
  const program = createProgram(ctx, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync([...args], { from: "user" });
    return exitCode;
  } catch (error) {
    // Commander has printed its help, or its own message, before it throws.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    ctx.terminal.err(`error: ${describeError(error)}`);
    return exitCodeOf(error);
  }
}

type Finish = (exitCode: number) => void;

function createProgram(ctx: CommandContext, finish: Finish): Command {
  const program = new Command("cellway")
    .description("One control silo and the cells that own organizations: run them, call them, ask them why.")
    .version(VERSION)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => ctx.terminal.out(text.trimEnd()),
      writeErr: (text) => ctx.terminal.err(text.trimEnd()),
    })
    .addHelpText("after", "\nExit codes: 0 done, 1 failed, 2 not understood or wrong settings.");
  addDev(program, ctx, finish);
  addServe(program, ctx, finish);
  addMigrate(program, ctx, finish);
  addCall(program, ctx, finish);
  addExplain(program, ctx, finish);
  addToken(program, ctx, finish);
  addCells(program, ctx, finish);
  addRoutes(program, ctx, finish);
  addOutbox(program, ctx, finish);
  addFleet(program, ctx, finish);
  addKeys(program, ctx, finish);
  addReleases(program, ctx, finish);
  return program;
}

function addDev(program: Command, ctx: CommandContext, finish: Finish): void {
  program
    .command("dev")
    .description(
      "run a whole fleet here: PostgreSQL, control, three cells and a router, with demo data; Ctrl-C stops it",
    )
    .option(
      "--port-base <port>",
      "first port: control +0 (RPC +1), us1 +10, us2 +20, de1 +30, router +100 (health +101)",
      parsePortBase,
      8000,
    )
    .option("--data <dir>", "folder for the databases, keys and logs; kept between runs", DEFAULT_DATA_DIR)
    .addOption(
      new Option("--mode <mode>", "a process and a database for each silo, or one of each for all")
        .choices(["siloed", "monolith"])
        .default("siloed"),
    )
    .addOption(
      new Option("--seed <seed>", "demo users and organizations, or nothing").choices(["demo", "none"]).default("demo"),
    )
    .option("--fresh", "delete what the folder holds first")
    .option("--json", "print one JSON line when the fleet is ready; progress goes to standard error")
    .action(async (options) => finish(await (await import("./commands/dev.js")).runDev(options, ctx)));
}

function addServe(program: Command, ctx: CommandContext, finish: Finish): void {
  program
    .command("serve")
    .description("run one silo or one router, as the environment says; SIGTERM stops it")
    .addOption(new Option("--silo <silo>", "which silo this process is").choices(SILO_KINDS))
    .addOption(new Option("--edge <kind>", "which kind of router this process is").choices(EDGE_KINDS))
    .option("--migrate", "apply the expand migrations first")
    .addHelpText("after", `\n${formatSettings()}`)
    .action(async (options) => finish(await (await import("./commands/serve.js")).runServe(options, ctx)));
}

function addMigrate(program: Command, ctx: CommandContext, finish: Finish): void {
  program
    .command("migrate")
    .description("bring the database of a silo to what this version needs; safe to run twice and at once")
    .addOption(siloOption("whose tables"))
    .addOption(
      new Option(
        "--phase <phase>",
        "expand: before the new code runs; contract: once the old code is gone; all: a database that nobody uses yet",
      )
        .choices(MIGRATE_PHASES)
        .default("expand"),
    )
    .option("--json", "print one JSON line")
    .addHelpText("after", "\nReads CELLWAY_DATABASE_URL, and CELLWAY_CELL for a cell; see: cellway serve --help")
    .action(async (options) => finish(await (await import("./commands/migrate.js")).runMigrate(options, ctx)));
}

function addCall(program: Command, ctx: CommandContext, finish: Finish): void {
  withFleet(program.command("call"))
    .description("make one call as the fleet's operator and print its response: resolves the cell, signs, sends")
    .argument("<service.method>", "for example organization.GetOrganizationBySlug")
    .option("--data <json>", "the request as JSON, @file, or - for standard input", "{}")
    .option("--timeout <ms>", "how long the call may take; also 2s, 1m (default: what the contract says)")
    .option("--as-user <id>", "on whose behalf; carried and signed")
    .option("--verbose", "say on standard error where it ran, how long it took and over which route")
    .option("--json", "print one JSON line; errors are JSON too")
    .action(async (name, options) => finish(await (await import("./commands/call.js")).runCall(name, options, ctx)));
}

function addExplain(program: Command, ctx: CommandContext, finish: Finish): void {
  withFleet(program.command("explain"))
    .description(
      "say where control would send a call, or a router a request, and why; exit code 1 when they differ; makes neither",
    )
    .argument(
      "<what>",
      "a method, such as organization.GetOrganizationBySlug; what requests are routed by: slug:acme, id:7, project-key:KEY; or a URL: of the API, a DSN, or what SDKs send to",
    )
    .option("--data <json>", "the request as JSON, @file, or - for standard input", "{}")
    .option(
      "--router <origin>",
      "for a URL: the router, or control, that is asked too, with CELLWAY_EDGE_OPERATOR_TOKEN (default: those of the fleet's cellway dev)",
    )
    .option("--json", "print one JSON line")
    .action(async (name, options) =>
      finish(await (await import("./commands/explain.js")).runExplain(name, options, ctx)),
    );
}

function addToken(program: Command, ctx: CommandContext, finish: Finish): void {
  withFleet(program.command("token"))
    .description('print a header for other tools: grpcurl -H "$(cellway token --method user.GetUser --silo control)" …')
    .requiredOption("--method <pattern>", "what it allows: organization.GetOrganization, organization.* or *")
    .requiredOption("--silo <name>", "the one silo that accepts it")
    .option("--ttl <duration>", "how long it lives, at most 1h", "10m")
    .option("--caller <silo>", "the silo it speaks for", "control")
    .option("--json", "print one JSON line")
    .action(async (options) => finish(await (await import("./commands/token.js")).runToken(options, ctx)));
}

function addCells(program: Command, ctx: CommandContext, finish: Finish): void {
  const cells = program.command("cells").description("the cells of the fleet and their localities");
  withFleet(cells.command("list"))
    .description("list the cells, with their localities, addresses and what they hold")
    .option("--json", "print one JSON line")
    .action(async (options) => finish(await (await import("./commands/cells.js")).runCellsList(options, ctx)));
  const change = () => import("./commands/cells-change.js");
  const define = (words: string, description: string) =>
    withFleet(cells.command(words)).description(description).option("--json", "print one JSON line");
  addWeighing(define("add <name>", "make a cell that runs known to the fleet; nothing is restarted"))
    .requiredOption("--locality <name>", "where it belongs")
    .requiredOption("--number <number>", "what its own topology file says: 1 to 1023, never used before", parseCount)
    .requiredOption("--rpc-address <origin>", "where its RPC listener is reached")
    .option("--http-address <origin>", "where its public HTTP listener is reached, for routers")
    .option("--ingest-address <origin>", "where it takes events, if that is not the HTTP address")
    .option("--draining", "do not give it organizations yet")
    .action(async (name, options) => finish(await (await change()).runCellsAdd(name, options, ctx)));
  addWeighing(define("update <name>", "change what is named of a cell; what lives there stays"))
    .option("--rpc-address <origin>", "where its RPC listener is reached now")
    .option("--http-address <origin>", "where its public HTTP listener is reached now; empty takes it away")
    .option("--ingest-address <origin>", "where it takes events now; empty makes it the HTTP address")
    .action(async (name, options) => finish(await (await change()).runCellsUpdate(name, options, ctx)));
  define(
    "drain <name>",
    "give a cell no new organizations and say how many are left; those are served as before",
  ).action(async (name, options) => finish(await (await change()).runCellsDrain(name, "draining", options, ctx)));
  define("undrain <name>", "give a cell new organizations again").action(async (name, options) =>
    finish(await (await change()).runCellsDrain(name, "active", options, ctx)),
  );
  define("remove <name>", "remove a cell that nothing lives in; refused, with the counts, while something does").action(
    async (name, options) => finish(await (await change()).runCellsRemove(name, options, ctx)),
  );
}

function addWeighing(command: Command): Command {
  return command
    .option("--weight <number>", "its share of new organizations, 1 to 1000 (default: 100)", parseCount)
    .option("--capacity <number>", "the most organizations that it takes; 0 for no limit", parseCount);
}

function addKeys(program: Command, ctx: CommandContext, finish: Finish): void {
  const keys = program.command("keys").description("signing keys");
  keys
    .command("generate")
    .description("print a new master key, id:base64; it is a secret")
    .option("--id <id>", "its name (default: a random one)")
    .option("--json", "print one JSON line")
    .action(async (options) => finish(await (await import("./commands/keys.js")).runKeysGenerate(options, ctx)));
  keys
    .command("relay")
    .description(
      "print a new id with a public and a secret key for a Relay or an ingest router, as JSON; the last is a secret",
    )
    .action(async () => finish(await (await import("./commands/keys.js")).runKeysRelay(ctx)));
  withFleet(keys.command("derive"))
    .description(
      "print the keys for one cell or one router, from the master keys in CELLWAY_RPC_KEYS, CELLWAY_RPC_KEYS_FILE or --data-dir; they are secrets",
    )
    .option("--cell <name>", "the cell")
    .option("--edge <name>", "the router: CELLWAY_EDGE_NAME of its process")
    .option("--json", "print one JSON line")
    .action(async (options) => finish(await (await import("./commands/keys.js")).runKeysDerive(options, ctx)));
}

function siloOption(description: string): Option {
  return new Option("--silo <silo>", description).choices(SILO_KINDS).makeOptionMandatory();
}

function parsePortBase(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port >= 1_024 && port <= 65_400)) throw new InvalidArgumentError("It must be a whole number of 1024 to 65400.");
  return port;
}

function parseCount(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("It must be a whole number.");
  return Number(text);
}
