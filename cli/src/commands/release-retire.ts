import { UNKNOWN_VERSION } from "@cellway/rpc";
import type { CommandContext } from "../context.js";
import { CommandError, EXIT_FAILED, EXIT_OK, UsageError } from "../errors.js";
import { askProcesses } from "../fleet-client.js";
import { findFleet } from "../fleet-target.js";
import { withOperator } from "../operator.js";
import { describeFailures, printFailures } from "../outbox-format.js";
import { readReleases, removeRelease } from "../releases.js";
import { findSourceRoot } from "../source-root.js";

/** The first release whose processes report what they run. Of those before it nobody can see that none is left. */
const FIRST_REPORTED = "0.2.0";

/** Options of `cellway release retire`. */
export interface ReleaseRetireOptions {
  readonly dataDir?: string;
  readonly json?: boolean;
  /** Asks nobody. */
  readonly force?: boolean;
}

/**
 * Removes the contracts of a release from the source tree, once no process of the fleet reports it: from then on nothing has
 * to be safe beside it. Refused, with their names, while a process does, or while a silo does not answer.
 */
export async function runReleaseRetire(
  version: string,
  options: ReleaseRetireOptions,
  ctx: CommandContext,
): Promise<number> {
  const root = findSourceRoot(ctx.process.cwd);
  if (root === undefined) throw new UsageError("There is no proto/releases here: go to the source tree of the fleet.");
  const releases = readReleases(root).map((release) => release.version);
  if (!releases.includes(version))
    throw new UsageError(`${version} is not in proto/releases, which has ${releases.join(", ") || "no release"}.`);
  if (options.force !== true) {
    assertReported(version);
    if (!(await isUnused(version, options, ctx))) return EXIT_FAILED;
  }
  removeRelease(root, version);
  if (options.json === true) ctx.terminal.out(JSON.stringify({ retired: version, isForced: options.force === true }));
  else ctx.terminal.out(`${version} is retired: commit the change of proto/releases.`);
  return EXIT_OK;
}

function assertReported(version: string): void {
  if (version.localeCompare(FIRST_REPORTED, "en", { numeric: true }) >= 0) return;
  throw new CommandError(
    `${version} does not report itself; releases do since ${FIRST_REPORTED}. When you know that none of its processes is left, repeat with --force.`,
  );
}

async function isUnused(version: string, options: ReleaseRetireOptions, ctx: CommandContext): Promise<boolean> {
  const target = findFleet(options.dataDir, ctx);
  let isAnswered = false;
  await withOperator(target, options, ctx, async ({ runtime }) => {
    const { answers, failures } = await askProcesses(runtime, target);
    // A process that was not told its release may be of any.
    const processes = answers
      .flatMap(({ answer }) => answer)
      .filter((process) => process.version === version || process.version === UNKNOWN_VERSION)
      .map(({ silo, host, pid, version: own }) => `${silo} ${host}:${pid}${own === version ? "" : ` (${own})`}`);
    isAnswered = processes.length === 0 && failures.length === 0;
    if (isAnswered) return EXIT_OK;
    if (options.json === true)
      ctx.terminal.out(JSON.stringify({ retired: null, processes, failures: describeFailures(failures) }));
    else {
      if (processes.length > 0) ctx.terminal.err(`${version} still runs: ${processes.join(", ")}.`);
      printFailures(failures, ctx);
      ctx.terminal.err(`${version} was not retired.`);
    }
    return EXIT_FAILED;
  });
  return isAnswered;
}
