import type { Command } from "commander";
import { DEFAULT_DATA_DIR } from "./settings.js";

/** Adds the option of every command that speaks to a fleet. */
export function withFleet(command: Command): Command {
  return command.option(
    "--data-dir <dir>",
    `the folder of a running cellway dev (default: ${DEFAULT_DATA_DIR}, else CELLWAY_TOPOLOGY and CELLWAY_RPC_KEYS)`,
  );
}
