import { DirectoryService } from "@cellway/gen/cellway/directory/v1/directory";
import { INGEST_LISTENER } from "@cellway/http";
import { parseIngestPath } from "@cellway/ingest-protocol";
import { createRemoteDirectory, explainRoute, Locator, type RouteExplanation } from "@cellway/locator";
import type { RpcRuntime } from "@cellway/rpc";
import { createMetrics } from "@cellway/telemetry";
import { askEdge, type EdgeAnswer } from "../ask-edge.js";
import type { CommandContext } from "../context.js";
import { EXIT_FAILED, EXIT_OK } from "../errors.js";
import type { ExplainedUrl } from "../explained-url.js";
import { type FleetTarget, findEdge, findFleet, readOperatorToken } from "../fleet-target.js";
import { withOperator } from "../operator.js";
import { formatAge } from "../outbox-format.js";
import { formatTable, heading } from "../table.js";
import type { ExplainCommandOptions } from "./explain.js";

/** What control says of a URL now. */
type ControlAnswer = Omit<RouteExplanation, "from" | "ageMs" | "learnedAgoMs" | "address"> & {
  /** The origin of that listener of the cell which such requests are sent to. */
  readonly address: string | null;
};

/** Both answers, as `--json` prints them. */
interface UrlExplanation {
  readonly url: string;
  /** Null where the URL carries no key: a static or pinned route, which only who has it can explain. */
  readonly control: ControlAnswer | null;
  /** Null when no router was asked. */
  readonly router: ({ readonly askedAt: string } & EdgeAnswer) | null;
  /** In what they differ: `cell`, `epoch`, `address`. */
  readonly differences: readonly string[];
}

/**
 * Says where a request for a URL belongs as control knows it now and, where a router is known, where that would send it. Nothing is
 * sent to a cell. Exit code 1 when the two differ.
 */
export async function runExplainUrl(
  asked: ExplainedUrl,
  options: ExplainCommandOptions,
  ctx: CommandContext,
): Promise<number> {
  const fleet = findFleet(options.dataDir, ctx);
  return withOperator(fleet, options, ctx, async ({ runtime }) => {
    const [control, router] = await Promise.all([askControl(runtime, asked), askRouter(fleet, asked, options, ctx)]);
    const differences = control === null || router === null ? [] : findDifferences(control, router);
    const explanation: UrlExplanation = { url: asked.origin + asked.target, control, router, differences };
    ctx.terminal.out(options.json === true ? JSON.stringify(explanation) : formatUrlExplanation(explanation));
    return differences.length === 0 ? EXIT_OK : EXIT_FAILED;
  });
}

async function askControl(
  runtime: Pick<RpcRuntime, "client">,
  { key, target }: ExplainedUrl,
): Promise<ControlAnswer | null> {
  if (key === undefined) return null;
  const directory = createRemoteDirectory(runtime.client(DirectoryService));
  const locator = new Locator({ directory, metrics: createMetrics({ silo: "operator" }) });
  // Ages are of a memory, and this one was empty until now.
  const { from: _, ageMs: __, learnedAgoMs: ___, ...known } = await explainRoute(locator, key);
  const cell = known.cell === null ? undefined : await locator.findCell(known.cell);
  const isIngest = parseIngestPath(target) !== undefined;
  const address = cell === undefined ? "" : isIngest ? INGEST_LISTENER.addressOf(cell) : cell.httpAddress;
  return { ...known, address: address === "" ? null : address };
}

async function askRouter(
  fleet: FleetTarget,
  asked: ExplainedUrl,
  options: ExplainCommandOptions,
  ctx: CommandContext,
): Promise<UrlExplanation["router"]> {
  const askedAt = options.router ?? findEdge(fleet, asked.origin);
  if (askedAt === undefined) return null;
  return { askedAt, ...(await askEdge(askedAt, asked, readOperatorToken(fleet, ctx))) };
}

/** A router that refuses what control knows differs too, unless it does so because of the host: that is its own to say. */
function findDifferences(control: ControlAnswer, router: EdgeAnswer): string[] {
  if ("refusal" in router) {
    const { status, code } = router.refusal;
    if (status === 421 || code === "HOST_UNKNOWN") return [];
    return (status === 404) === (control.outcome === "absent") ? [] : [`refused (${code})`];
  }
  const { explanation } = router;
  return (["cell", "epoch", "address"] as const).filter((field) => explanation[field] !== control[field]);
}

/** The explanation as a table for people. */
function formatUrlExplanation({ url, control, router, differences }: UrlExplanation): string {
  const explained = router !== null && "explanation" in router ? router.explanation : undefined;
  const row = (name: string, said: string | null | undefined, thought: string | null | undefined) => [
    name,
    ...(control === null ? [] : [said ?? "-"]),
    ...(router === null ? [] : [thought ?? "-"]),
  ];
  const rows = [
    [
      ...heading("", ...(control === null ? [] : ["control"])),
      ...(router === null ? [] : [`ROUTER ${router.askedAt}`]),
    ],
    row("rule", control && `${control.rule} ${control.key}`, explained?.rule),
    row("cell", control?.cell, explained?.cell),
    row("locality", control?.locality, explained?.locality),
    row("sent to", control?.address, explained?.address),
    row("epoch", toText(control?.epoch), toText(explained?.epoch)),
    row("known from", "the directory, now", explained && formatOrigin(explained)),
    row("complete", "-", explained?.ageMs == null ? "-" : `${formatAge(explained.ageMs)} ago`),
  ];
  const lines = [url, "", formatTable(rows)];
  if (control !== null) lines.push("", `${control.why}.`);
  if (router !== null && "refusal" in router)
    lines.push(`The router answers ${router.refusal.status} ${router.refusal.code}: ${router.refusal.detail}`);
  if (control === null && router === null)
    lines.push("", "It carries no organization and no project key; a static or pinned route is explained by --router.");
  if (differences.length > 0) lines.push(`They differ: ${differences.join(", ")}.`);
  else if (control !== null && explained !== undefined) lines.push("They agree.");
  return lines.join("\n");
}

function formatOrigin({ from, learnedAgoMs }: { from: string | null; learnedAgoMs: number | null }): string {
  return from === null ? "its settings" : `${from}, ${formatAge(learnedAgoMs ?? 0)} ago`;
}

function toText(value: number | null | undefined): string | null {
  return value === null || value === undefined ? null : String(value);
}
