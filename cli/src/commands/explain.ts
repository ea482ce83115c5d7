import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { createRemoteDirectory, explainRoute, Locator, type RouteExplanation, type RouteKey } from "@cellway/locator";
import type { CallExplanation } from "@cellway/rpc";
import { createMetrics } from "@cellway/telemetry";
import type { CommandContext } from "../context.js";
import { CONTRACTS, findMethod, REGISTRY } from "../contracts.js";
import { formatDuration } from "../duration.js";
import { EXIT_OK } from "../errors.js";
import { readExplainedUrl } from "../explained-url.js";
import { findFleet } from "../fleet-target.js";
import { withOperator } from "../operator.js";
import { parseRequest, readDataOption } from "../request-json.js";
import { readRouteKey } from "../route-key.js";
import { formatTable } from "../table.js";
import { runExplainUrl } from "./explain-url.js";

/** Options of `cellway explain`. */
export interface ExplainCommandOptions {
  readonly data: string;
  readonly dataDir?: string;
  readonly json?: boolean;
  /** The origin of a router, or of control's HTTP listener, that is asked too. */
  readonly router?: string;
}

/**
 * Says where control would send a call, why and under which rules, or where a request with a key (`slug:acme`) or for a URL belongs.
 * Reads the directory; does not make the call.
 */
export async function runExplain(name: string, options: ExplainCommandOptions, ctx: CommandContext): Promise<number> {
  const url = readExplainedUrl(name);
  if (url !== undefined) return runExplainUrl(url, options, ctx);
  const key = readRouteKey(name);
  if (key !== undefined) return runExplainKey(key, options, ctx);
  const method = findMethod(name, CONTRACTS);
  const request = parseRequest(method.input, await readDataOption(options.data, ctx), REGISTRY);
  return withOperator(findFleet(options.dataDir, ctx), options, ctx, async (operator) => {
    const explanation = await operator.viewFromControl.explain(method, request);
    // Which methods are switched off is a setting of each silo, which an operator's process does not know.
    const { isDisabled: _, ...known } = explanation;
    ctx.terminal.out(options.json === true ? JSON.stringify(known) : formatExplanation(known));
    return EXIT_OK;
  });
}

/** Finds what routers find, but asks the directory, so that the answer is as of now. */
async function runExplainKey(key: RouteKey, options: ExplainCommandOptions, ctx: CommandContext): Promise<number> {
  return withOperator(findFleet(options.dataDir, ctx), options, ctx, async ({ runtime }) => {
    const directory = createRemoteDirectory(runtime.client(DirectoryService));
    const locator = new Locator({ directory, metrics: createMetrics({ silo: "operator" }) });
    // Ages are of a memory, and this one was empty until now.
    const { from: _, ageMs: __, learnedAgoMs: ___, ...known } = await explainRoute(locator, key);
    ctx.terminal.out(options.json === true ? JSON.stringify(known) : formatKeyExplanation(known));
    return EXIT_OK;
  });
}

function formatKeyExplanation(known: Omit<RouteExplanation, "from" | "ageMs" | "learnedAgoMs">): string {
  const { organizationId, organizationSlug, epoch } = known;
  return formatTable([
    [known.rule, known.key],
    ["organization", organizationId === null ? "none" : `${organizationSlug ?? ""} (${organizationId})`],
    ["cell", known.cell ?? "none"],
    ["locality", known.locality ?? "none"],
    ["route", known.address ?? "none: nothing is sent"],
    ["epoch", epoch === null ? "none" : String(epoch)],
    ["why", known.why],
  ]);
}

/** The explanation as rows for people. */
export function formatExplanation(explanation: Omit<CallExplanation, "isDisabled">): string {
  const { resolver } = explanation;
  const resolved =
    resolver === null
      ? "none: control is one silo"
      : [resolver.kind, resolver.field, resolver.field && `= ${resolver.value}`].join(" ").trim();
  return formatTable([
    ["method", explanation.method],
    ["local to", explanation.localMode.toLowerCase()],
    ["from", explanation.from],
    ["runs in", explanation.runsIn ?? "nowhere"],
    ["why", explanation.why],
    ["route", describeRoute(explanation)],
    ["resolver", resolved],
    ["deadline", formatDuration(explanation.timeoutMs)],
    ["retries", explanation.retries],
    ["callers", explanation.allowedCallers.join(", ") || "only the silo itself"],
  ]);
}

function describeRoute(explanation: Pick<CallExplanation, "address" | "runsIn" | "transport">): string {
  if (explanation.runsIn === null) return "none: nothing is sent";
  return explanation.address === null ? "in process, no network" : `${explanation.transport}, ${explanation.address}`;
}
