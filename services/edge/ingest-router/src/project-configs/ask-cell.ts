import { AnswerTimeoutError, askUpstream, CELL_HEADER, findHeader, type Upstream } from "@cellway/http";
import {
  isJsonObject,
  PROJECT_CONFIGS_PATH,
  PROJECT_CONFIGS_VERSION,
  readJsonObject,
  signRelayRequest,
} from "@cellway/ingest-protocol";
import type { ProjectConfigContext } from "./context.js";

/** What a cell answered, once it is known to be one. */
export interface CellAnswer {
  readonly configs: Readonly<Record<string, unknown>>;
  readonly pending: ReadonlySet<string>;
  readonly unchanged: ReadonlySet<string>;
  readonly global: unknown;
  readonly globalStatus: unknown;
}

/** A question to one cell. */
export interface CellQuestion {
  readonly cell: string;
  readonly address: string;
  readonly body: Buffer;
  /** From now on, in milliseconds. */
  readonly timeoutMs: number;
}

/** How asking ended: `answered`, or why there is no answer that can be used. */
type Outcome = "answered" | "busy" | "circuit_open" | "timeout" | "unreachable" | "status" | "garbage";

/**
 * Asks a cell, within its limits and its circuit. Whatever it does wrong (slow, dead, another status, compressed, cut off, no JSON,
 * another shape) there is no answer. Never rejects.
 */
export async function askCell(ctx: ProjectConfigContext, question: CellQuestion): Promise<CellAnswer | undefined> {
  const { cell, address } = question;
  // Nobody is asked without a name: a cell would refuse it, and that says nothing of the cell.
  if (ctx.credentials === undefined) return note(ctx, cell, "status");
  const upstream = ctx.upstreams.of(cell, address);
  const admission = upstream.admit();
  if (typeof admission === "string") return note(ctx, cell, admission === "UPSTREAM_BUSY" ? "busy" : "circuit_open");
  const { judge, giveBack } = admission;
  try {
    const { outcome, status, answer } = await post(ctx, upstream, question);
    // What it answers wrongly here need not keep events from it.
    judge(outcome === "answered" ? "success" : status >= 500 ? "failure" : "neutral");
    note(ctx, cell, outcome);
    return answer;
  } catch (error) {
    judge("failure");
    ctx.logger.warn({ err: error, cell }, "a cell did not answer which configurations its projects have");
    return note(ctx, cell, error instanceof AnswerTimeoutError ? "timeout" : "unreachable");
  } finally {
    giveBack();
  }
}

async function post(
  { credentials, now, configLimits: { answerMaxBytes } }: ProjectConfigContext,
  upstream: Upstream,
  { cell, body, timeoutMs }: CellQuestion,
): Promise<{ outcome: Outcome; status: number; answer?: CellAnswer }> {
  const said = await askUpstream(upstream, {
    method: "POST",
    path: `${PROJECT_CONFIGS_PATH}?version=${PROJECT_CONFIGS_VERSION}`,
    headers: {
      "content-type": "application/json",
      "accept-encoding": "identity",
      [CELL_HEADER]: cell,
      ...(credentials !== undefined && signRelayRequest(credentials, body, now())),
    },
    body,
    timeoutMs,
    answerMaxBytes,
  });
  const { status } = said;
  if (status !== 200) return { outcome: "status", status };
  const encoding = findHeader(said.headers, "content-encoding") ?? "identity";
  const answer = encoding === "identity" && said.body !== undefined ? parseAnswer(said.body) : undefined;
  return answer === undefined ? { outcome: "garbage", status } : { outcome: "answered", status, answer };
}

/** Undefined for what is not what a cell answers. */
function parseAnswer(body: Buffer): CellAnswer | undefined {
  const value = readJsonObject(body.toString("utf8"));
  if (value === undefined) return undefined;
  // Without configurations it may be anything; Relay itself always says them.
  const { configs, pending = [], unchanged = [] } = value;
  if (!isJsonObject(configs) || !isTextList(pending) || !isTextList(unchanged)) return undefined;
  const { global, global_status: globalStatus } = value;
  return { configs, pending: new Set(pending), unchanged: new Set(unchanged), global, globalStatus };
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function note({ metrics }: ProjectConfigContext, cell: string, outcome: Outcome): undefined {
  metrics.count("cellway_edge_project_config_questions_total", { cell, outcome });
}
