import { CELL_HEADER } from "@cellway/http";
import { PROJECT_CONFIGS_PATH, PROJECT_CONFIGS_VERSION, signRelayRequest } from "@cellway/ingest-protocol";
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
  const giveBack = upstream.take();
  const judge = giveBack === undefined ? undefined : upstream.circuit.enter();
  if (giveBack === undefined || judge === undefined) {
    giveBack?.();
    return note(ctx, cell, giveBack === undefined ? "busy" : "circuit_open");
  }
  const signal = AbortSignal.timeout(Math.ceil(question.timeoutMs));
  try {
    const { outcome, status, answer } = await post(ctx, question, { pool: upstream.pool, signal });
    // What it answers wrongly here need not keep events from it.
    judge(outcome === "answered" ? "success" : status >= 500 ? "failure" : "neutral");
    note(ctx, cell, outcome);
    return answer;
  } catch (error) {
    judge("failure");
    ctx.logger.warn({ err: error, cell }, "a cell did not answer which configurations its projects have");
    return note(ctx, cell, signal.aborted ? "timeout" : "unreachable");
  } finally {
    giveBack();
  }
}

type Pool = ReturnType<ProjectConfigContext["upstreams"]["of"]>["pool"];

async function post(
  { credentials, now, configLimits }: ProjectConfigContext,
  { cell, body }: CellQuestion,
  { pool, signal }: { readonly pool: Pool; readonly signal: AbortSignal },
): Promise<{ outcome: Outcome; status: number; answer?: CellAnswer }> {
  const answer = await pool.request({
    method: "POST",
    path: `${PROJECT_CONFIGS_PATH}?version=${PROJECT_CONFIGS_VERSION}`,
    headers: {
      "content-type": "application/json",
      "accept-encoding": "identity",
      [CELL_HEADER]: cell,
      ...(credentials !== undefined && signRelayRequest(credentials, body, now())),
    },
    body,
    signal,
  });
  const { statusCode: status } = answer;
  const encoding = answer.headers["content-encoding"] ?? "identity";
  if (status !== 200 || encoding !== "identity") {
    // Read and dropped, for the sake of the connection; ended when it is long.
    await answer.body.dump({ limit: 65_536, signal });
    return { outcome: status === 200 ? "garbage" : "status", status };
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer.body) {
    const piece = chunk as Buffer;
    bytes += piece.byteLength;
    if (bytes > configLimits.answerMaxBytes) return { outcome: "garbage", status };
    chunks.push(piece);
  }
  const read = parseAnswer(Buffer.concat(chunks));
  return read === undefined ? { outcome: "garbage", status } : { outcome: "answered", status, answer: read };
}

/** Undefined for what is not what a cell answers. */
function parseAnswer(body: Buffer): CellAnswer | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body.toString("utf8"));
  } catch {
    return undefined;
  }
  if (!isObject(value)) return undefined;
  // Without configurations it may be anything; Relay itself always says them.
  const { configs, pending = [], unchanged = [] } = value;
  if (!isObject(configs) || !isTextList(pending) || !isTextList(unchanged)) return undefined;
  const { global, global_status: globalStatus } = value;
  return { configs, pending: new Set(pending), unchanged: new Set(unchanged), global, globalStatus };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function note({ metrics }: ProjectConfigContext, cell: string, outcome: Outcome): undefined {
  metrics.count("cellway_edge_project_config_questions_total", { cell, outcome });
}
