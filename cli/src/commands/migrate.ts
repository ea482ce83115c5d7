import { migrateSilo } from "@cellway/host";
import type { CommandContext } from "../context.js";
import { EXIT_OK } from "../errors.js";
import type { MigratePhase } from "../migrate-phases.js";
import { MODULES } from "../modules.js";
import { parseMigrateConfig } from "../serve-config.js";
import type { SiloKind } from "../silo-kinds.js";

/** Options of `cellway migrate`. */
export interface MigrateCommandOptions {
  readonly silo: SiloKind;
  readonly phase: MigratePhase;
  readonly json?: boolean;
}

/**
 * Brings a silo's database to what this code needs, or rids it of what no code needs any more, and says what was applied.
 * Safe to run twice and at once.
 */
export async function runMigrate(options: MigrateCommandOptions, ctx: CommandContext): Promise<number> {
  const config = parseMigrateConfig(options.silo, ctx.env, (message) => ctx.terminal.err(`warning: ${message}`));
  const applied = await migrateSilo({ ...config, modules: MODULES, phase: options.phase });
  if (options.json === true)
    ctx.terminal.out(JSON.stringify({ silo: config.silo.name, phase: options.phase, applied }));
  else if (applied.length === 0) ctx.terminal.out(`${config.silo.name}: nothing to apply`);
  else for (const { service, name } of applied) ctx.terminal.out(`${config.silo.name}: applied ${service}/${name}`);
  return EXIT_OK;
}
