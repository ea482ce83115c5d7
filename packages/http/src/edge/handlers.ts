import type { IncomingMessage } from "node:http";
import type { Logger, Metrics } from "@cellway/telemetry";
import { type Problem, sendProblem } from "../problem.js";
import type { EdgeHandlers } from "../proxy/edge-server.js";
import { type ProxyOptions, type ProxyResult, proxyRequest } from "../proxy/proxy-request.js";
import { createUpgradeResponse, proxyUpgrade } from "../proxy/proxy-upgrade.js";

/** How a request is sent on, or why it is not. Never rejects. */
export type Route = (req: IncomingMessage) => Promise<ProxyOptions | Problem>;

/** Sends requests on as `route` says, counts them, and logs those that their cell did not answer. */
export function createEdgeHandlers(
  route: Route,
  { metrics, logger }: { readonly metrics: Metrics; readonly logger: Logger },
): EdgeHandlers {
  const serve = async (
    req: IncomingMessage,
    refuse: (problem: Problem) => void,
    send: (options: ProxyOptions) => Promise<ProxyResult>,
  ) => {
    const startedAt = performance.now();
    const routed = await route(req);
    if ("status" in routed) {
      refuse(routed);
      metrics.count("cellway_edge_requests_total", { cell: "none", status: String(routed.status) });
      metrics.count("cellway_edge_problems_total", { code: routed.code });
      return;
    }
    const { status, code, upstream, repeats, requestId } = await send(routed);
    const cell = upstream.name;
    metrics.count("cellway_edge_requests_total", { cell, status: String(status) });
    metrics.observe("cellway_edge_duration_seconds", { cell }, (performance.now() - startedAt) / 1_000);
    if (repeats > 0) metrics.count("cellway_edge_repeats_total", { cell });
    if (code === undefined) return;
    metrics.count("cellway_edge_problems_total", { code });
    logger.warn({ cell, code, status, request_id: requestId }, "a request was not answered by its cell");
  };
  const report = (error: unknown) => logger.error({ err: error }, "a request failed on a bug");
  return {
    onRequest(req, res) {
      serve(
        req,
        (problem) => sendProblem(res, { ...problem, headers: { ...problem.headers, ...(req.complete ? {} : CLOSE) } }),
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

const CLOSE = { connection: "close" };
