import type { BoundCounter, Logger, Metrics } from "@cellway/telemetry";
import { type Problem, sendProblem, toProblemBody } from "../problem.js";
import type { ClientAnswer, ClientRequest } from "../proxy/client-exchange.js";
import type { EdgeHandlers } from "../proxy/edge-server.js";
import { findHeader } from "../proxy/headers.js";
import { type ProxyOptions, type ProxyResult, proxyRequest } from "../proxy/proxy-request.js";
import { createUpgradeResponse, proxyUpgrade } from "../proxy/proxy-upgrade.js";
import { refuse } from "../proxy/refuse.js";
import { EXPLAIN_HEADER, EXPLAIN_ONLY_HEADER, isOperator } from "./explain.js";

/** How a request is sent on, or why it is not. Never rejects. */
export type Route = (req: ClientRequest) => Promise<ProxyOptions | Problem>;

/** What an edge does besides sending on. */
export interface EdgeHandlerOptions {
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** A secret: who sends it may have requests explained without their being sent on. Default: nobody may. */
  readonly operatorToken?: string | undefined;
}

/** Sends requests on as `route` says, counts them, and logs those that their cell did not answer. */
export function createEdgeHandlers(route: Route, { metrics, logger, operatorToken }: EdgeHandlerOptions): EdgeHandlers {
  const answered = createAnswerCounter(metrics);
  const serve = async (
    req: ClientRequest,
    onRefused: (problem: Problem) => void,
    send: (options: ProxyOptions) => Promise<ProxyResult>,
  ) => {
    const startedAt = performance.now();
    const routed = await route(req);
    if ("status" in routed) {
      onRefused(routed);
      answered("none", routed.status);
      metrics.count("cellway_edge_problems_total", { code: routed.code });
      return;
    }
    const { status, code, upstream, repeats, requestId } = await send(routed);
    const cell = upstream.name;
    answered(cell, status);
    metrics.observe("cellway_edge_duration_seconds", { cell }, (performance.now() - startedAt) / 1_000);
    if (repeats > 0) metrics.count("cellway_edge_repeats_total", { cell });
    if (code === undefined) return;
    metrics.count("cellway_edge_problems_total", { code });
    logger.warn({ cell, code, status, request_id: requestId }, "a request was not answered by its cell");
  };
  const report = (error: unknown) => logger.error({ err: error }, "a request failed on a bug");
  return {
    onRequest(req, res) {
      if (req.headers[EXPLAIN_ONLY_HEADER] !== undefined && isOperator(req, operatorToken)) {
        explainOnly(route, req, res).catch((error: unknown) => {
          report(error);
          res.destroy();
        });
        return;
      }
      serve(
        req,
        (problem) => refuse(req, res, { ...problem, headers: { ...problem.headers, ...(req.complete ? {} : CLOSE) } }),
        (routed) => proxyRequest(req, res, routed),
      ).catch((error: unknown) => {
        report(error);
        res.destroy();
      });
    },
    onUpgrade(upgrade) {
      serve(
        upgrade.req,
        (problem) => sendProblem(createUpgradeResponse(upgrade), problem),
        (routed) => proxyUpgrade(upgrade, routed),
      ).catch((error: unknown) => {
        report(error);
        upgrade.socket.destroy();
      });
    },
  };
}

/** Answers `{"explanation": …}`, or `{"refusal": …}` with the problem for which nothing would be sent. */
async function explainOnly(route: Route, req: ClientRequest, res: ClientAnswer): Promise<void> {
  const routed = await route(req);
  const answer = "status" in routed ? { refusal: toProblemBody(routed) } : { explanation: readExplanation(routed) };
  const body = Buffer.from(`${JSON.stringify(answer)}\n`);
  const headers = {
    "content-type": "application/json",
    "content-length": body.byteLength,
    "cache-control": "no-store",
  };
  res.writeHead(200, { ...headers, ...(req.complete ? {} : CLOSE) }).end(body);
}

function readExplanation({ answerHeaders = [] }: ProxyOptions): unknown {
  const text = findHeader(answerHeaders, EXPLAIN_HEADER);
  return text === undefined ? null : JSON.parse(text);
}

const CLOSE = { connection: "close" };

/** Counts answers by cell and status, each pair by a series that is looked up once. */
function createAnswerCounter(metrics: Metrics): (cell: string, status: number) => void {
  const series = new Map<string, BoundCounter>();
  return (cell, status) => {
    const key = `${cell} ${status}`;
    let counter = series.get(key);
    if (counter === undefined) {
      counter = metrics.counter("cellway_edge_requests_total", { cell, status: String(status) });
      series.set(key, counter);
    }
    counter.add();
  };
}
