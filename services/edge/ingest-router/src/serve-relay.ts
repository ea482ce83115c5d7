import { type ClientAnswer, type ClientRequest, type Problem, sendProblem } from "@cellway/http";
import {
  answerRegistration,
  hasPath,
  LIVE_PATH,
  PROJECT_CONFIGS_PATH,
  REGISTRATION_PATHS,
  RelayRequestError,
} from "@cellway/ingest-protocol";
import { createRefusal } from "./problems.js";
import { answerProjectConfigs } from "./project-configs/answer.js";
import type { ProjectConfigContext } from "./project-configs/context.js";

type Answer = (ctx: ProjectConfigContext, req: ClientRequest) => Promise<object | Problem>;

const ROUTES: readonly (readonly [method: string, path: string, answer: Answer])[] = [
  ["POST", PROJECT_CONFIGS_PATH, answerProjectConfigs],
  ["POST", REGISTRATION_PATHS.challenge, (ctx, req) => register(ctx, "challenge", req)],
  ["POST", REGISTRATION_PATHS.response, (ctx, req) => register(ctx, "response", req)],
  ["GET", LIVE_PATH, async () => ({ is_healthy: true })],
];

/** Serves what Relays ask; false where it is nothing of theirs. */
export function serveRelay(ctx: ProjectConfigContext, req: ClientRequest, res: ClientAnswer): boolean {
  const route = ROUTES.find(([method, path]) => req.method === method && hasPath(req.url ?? "/", path));
  if (route === undefined) return false;
  serve(ctx, route[2], { req, res }).catch((error: unknown) => {
    ctx.logger.error({ err: error, path: route[1] }, "what a Relay asked failed on a bug");
    res.destroy();
  });
  return true;
}

async function register(ctx: ProjectConfigContext, step: "challenge" | "response", req: ClientRequest) {
  const { relays, credentials, configLimits, now } = ctx;
  if (credentials === undefined)
    throw new RelayRequestError("only Relays that are trusted may register, and none is", 401, "RELAY_NOT_TRUSTED");
  return answerRegistration(step, req, {
    relays,
    credentials,
    timeoutMs: configLimits.questionTimeoutMs,
    nowMs: now(),
  });
}

async function serve(
  ctx: ProjectConfigContext,
  answerWith: Answer,
  { req, res }: { readonly req: ClientRequest; readonly res: ClientAnswer },
): Promise<void> {
  const answer = await answerWith(ctx, req).catch((error: unknown) => {
    if (error instanceof RelayRequestError) return createRefusal(error.status, error.code, error.message);
    throw error;
  });
  const status = isProblem(answer) ? answer.status : 200;
  ctx.metrics.count("cellway_edge_requests_total", { cell: "none", status: String(status) });
  if (res.destroyed) return;
  if (isProblem(answer)) {
    ctx.metrics.count("cellway_edge_problems_total", { code: answer.code });
    const ending = req.complete ? {} : { connection: "close" };
    return sendProblem(res, { ...answer, headers: { ...answer.headers, ...ending } });
  }
  const body = Buffer.from(JSON.stringify(answer));
  const headers = {
    "content-type": "application/json",
    "content-length": body.byteLength,
    "cache-control": "no-store",
  };
  res.writeHead(200, headers).end(body);
}

function isProblem(answer: object): answer is Problem {
  return "status" in answer;
}
