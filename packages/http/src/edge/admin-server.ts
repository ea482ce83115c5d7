import type { RunningLocator } from "@cellway/locator";
import type { Metrics } from "@cellway/telemetry";
import { createMetricsPage, type HttpServer, startPageServer, toJsonAnswer } from "../pages.js";
import { reportRoutes } from "./routes-report.js";

/** Serves `/healthz`, `/readyz` (how old the routes are, and how many) and `/metrics`, to those who run the router. */
export function startAdminServer(options: {
  readonly address: string;
  readonly name: string;
  readonly running: RunningLocator;
  readonly metrics: Metrics;
  readonly isStopping: () => boolean;
  readonly now: () => number;
}): Promise<HttpServer> {
  const { name, running, metrics } = options;
  const readiness = () => {
    const { memory } = running.locator;
    return {
      ready: memory.isComplete && !options.isStopping(),
      edge: name,
      ...reportRoutes(memory, options.now()),
      following: running.following.isConnected(),
    };
  };
  return startPageServer(options.address, [
    { path: "/healthz", answer: async () => toJsonAnswer(200, { status: "alive", edge: name }) },
    {
      path: "/readyz",
      async answer() {
        const report = readiness();
        return toJsonAnswer(report.ready ? 200 : 503, report);
      },
    },
    createMetricsPage(metrics),
  ]);
}
