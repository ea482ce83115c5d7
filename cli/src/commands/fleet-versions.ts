import type { FleetProcess } from "@cellway/gen/cellway/fleet/v1/fleet";
import type { CommandContext } from "../context.js";
import { EXIT_FAILED, EXIT_OK } from "../errors.js";
import { askProcesses } from "../fleet-client.js";
import { findFleet } from "../fleet-target.js";
import { withOperator } from "../operator.js";
import { describeFailures, formatAge, printFailures } from "../outbox-format.js";
import { readReleases } from "../releases.js";
import type { SiloAnswers } from "../silo-answers.js";
import { findSourceRoot } from "../source-root.js";
import { formatTable, heading } from "../table.js";

/** Options of `cellway fleet versions`. */
export interface FleetVersionsOptions {
  readonly dataDir?: string;
  readonly json?: boolean;
}

type Answers = SiloAnswers<readonly FleetProcess[]>["answers"];

/**
 * Says which release every process of the fleet runs, and since when. Remarks on silos that run several, and on releases
 * whose contracts the source tree that it is called in does not keep. Fails when a silo did not answer.
 */
export async function runFleetVersions(options: FleetVersionsOptions, ctx: CommandContext): Promise<number> {
  const target = findFleet(options.dataDir, ctx);
  const root = findSourceRoot(ctx.process.cwd);
  const releases = root === undefined ? undefined : readReleases(root).map(({ version }) => version);
  return withOperator(target, options, ctx, async ({ runtime }) => {
    const { answers, failures } = await askProcesses(runtime, target);
    const remarks = remarksOn(answers, releases);
    if (options.json === true) {
      const silos = answers.map(({ silo, answer }) => ({ silo, processes: answer.map(describeProcess) }));
      ctx.terminal.out(JSON.stringify({ silos, remarks, failures: describeFailures(failures) }));
    } else {
      if (answers.length > 0) ctx.terminal.out([formatProcesses(answers), ...remarks].join("\n\n"));
      printFailures(failures, ctx);
    }
    return failures.length === 0 ? EXIT_OK : EXIT_FAILED;
  });
}

function formatProcesses(answers: Answers): string {
  const rows = answers.flatMap(({ answer }) =>
    answer.map(({ silo, host, pid, version, contract, runningMs, silentMs }) => [
      silo,
      `${host}:${pid}`,
      version,
      contract,
      formatAge(runningMs),
      `${formatAge(silentMs)} ago`,
    ]),
  );
  return formatTable([heading("silo", "process", "version", "contract", "for", "last seen"), ...rows]);
}

/** What is not as it is when no deploy is under way. */
function remarksOn(answers: Answers, releases: readonly string[] | undefined): string[] {
  const remarks = answers.flatMap(({ silo, answer }) => {
    const versions = distinct(answer.map(({ version }) => version));
    return versions.length < 2 ? [] : [`${silo} runs several releases: ${versions.join(", ")}.`];
  });
  for (const { silo, answer } of answers) {
    for (const version of distinct(answer.map((process) => process.version))) {
      const contracts = distinct(
        answer.filter((process) => process.version === version).map(({ contract }) => contract),
      );
      if (contracts.length > 1)
        remarks.push(
          `Processes of ${version} in ${silo} serve different contracts: they were built from different sources.`,
        );
    }
  }
  if (releases === undefined) return remarks;
  const unknown = distinct(answers.flatMap(({ answer }) => answer.map(({ version }) => version))).filter(
    (version) => !releases.includes(version),
  );
  for (const version of unknown) {
    remarks.push(
      `${version} is not in proto/releases, which has ${releases.join(", ") || "no release"}: changes are not checked against it.`,
    );
  }
  return remarks;
}

function distinct(texts: readonly string[]): string[] {
  return [...new Set(texts)].sort();
}

function describeProcess({ silo, host, pid, version, contract, runningMs, silentMs }: FleetProcess) {
  return { silo, host, pid, version, contract, runningMs: Math.round(runningMs), silentMs: Math.round(silentMs) };
}
