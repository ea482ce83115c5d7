import { ALIASES, type Alias, isCounted } from "@cellway/silo";
import type { CommandContext } from "../context.js";
import { EXIT_FAILED, EXIT_OK, UsageError } from "../errors.js";
import { askDeprecatedUses } from "../fleet-client.js";
import { type FleetTarget, findFleet } from "../fleet-target.js";
import { withOperator } from "../operator.js";
import { describeFailures, formatAge, printFailures } from "../outbox-format.js";
import { judgeAliases, type Reason, type Removability } from "../removable.js";
import { formatTable, heading } from "../table.js";

/** Options of `cellway aliases`. */
export interface AliasesOptions {
  readonly dataDir?: string;
  readonly json?: boolean;
  /** 1 to 90. */
  readonly days: number;
}

/**
 * Prints every old name that still works beside its new one, and what of it the fleet still uses. Without a fleet only the
 * table; it fails when a silo did not answer.
 */
export async function runAliases(options: AliasesOptions, ctx: CommandContext): Promise<number> {
  const target = findFleetIfAny(options, ctx);
  if (target === undefined) {
    print(undefined, [], { options, ctx });
    return EXIT_OK;
  }
  return withOperator(target, options, ctx, async ({ runtime }) => {
    const uses = await askDeprecatedUses(runtime, target);
    const judgement = judgeAliases(uses, { days: options.days, mode: target.mode });
    print(judgement, describeFailures(uses.failures), { options, ctx });
    if (options.json !== true) printFailures(uses.failures, ctx);
    return uses.failures.length === 0 ? EXIT_OK : EXIT_FAILED;
  });
}

function findFleetIfAny({ dataDir }: AliasesOptions, ctx: CommandContext): FleetTarget | undefined {
  try {
    return findFleet(dataDir, ctx);
  } catch (error) {
    if (dataDir === undefined && error instanceof UsageError) return undefined;
    throw error;
  }
}

function print(
  judgement: Removability | undefined,
  failures: unknown,
  { options, ctx }: { options: AliasesOptions; ctx: CommandContext },
): void {
  const rows = ALIASES.map((alias) => ({ ...alias, uses: usesOf(alias, judgement) }));
  if (options.json === true) {
    ctx.terminal.out(
      JSON.stringify({ days: options.days, isFleetAsked: judgement !== undefined, aliases: rows, failures }),
    );
    return;
  }
  const cells = rows.flatMap(({ kind, old, current, phase, uses }) =>
    uses.map((use, index) => (index === 0 ? [kind, old, current, phase, use] : ["", "", "", "", use])),
  );
  const until = ALIASES.map((alias) => `${alias.old}: ${alias.until}`);
  ctx.terminal.out(
    `${formatTable([heading("kind", "old name", "name", "phase", "used"), ...cells])}\n\nAn old name goes when:\n  ${until.join("\n  ")}`,
  );
}

/** What is known of the uses of an old name, a line each. */
function usesOf(alias: Alias, judgement: Removability | undefined): string[] {
  if (!isCounted(alias)) return ["not seen from here"];
  if (judgement === undefined) return ["not known: there is no fleet to ask"];
  const unused = judgement.removable.find(({ subject }) => subject === alias.old);
  if (unused !== undefined) return [`by nobody for ${formatAge(unused.unusedMs)}: it may go`];
  const kept = judgement.kept.find(({ subject }) => subject === alias.old);
  const reasons = kept?.reasons.flatMap(describeReason) ?? [];
  return reasons.length > 0 ? reasons : ["not known: a silo has not answered"];
}

function describeReason(reason: Reason): string[] {
  if (reason.why === "USED") {
    return reason.users.map(
      ({ caller, version, lastUsedMs }) => `by ${caller} of release ${version}, ${formatAge(lastUsedMs)} ago`,
    );
  }
  if (reason.why === "COUNTED_TOO_SHORT") return [`${reason.silo}: counted only for ${formatAge(reason.countedMs)}`];
  return [`${reason.silo}: not counted${reason.versions.length > 0 ? ` by ${reason.versions.join(", ")}` : ""}`];
}
