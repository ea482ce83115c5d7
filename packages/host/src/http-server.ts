import {
  type AnswerMemory,
  createMetricsPage,
  type Gate,
  type HttpGateway,
  type HttpServer,
  type InternalRoute,
  type Mounted,
  type OperatorPage,
  type PublicRoute,
  type RequestTrust,
  type RouteLimits,
  type SessionCookieOptions,
  startHttpServer,
  toJsonAnswer,
} from "@cellway/http";
import type { Silo } from "@cellway/silo";
import type { Logger, Metrics } from "@cellway/telemetry";
import type { ServiceContext } from "./module.js";
import type { Readiness } from "./readiness.js";

/** Which code a process runs. */
export interface Build {
  /** The release, such as `0.2.0`. */
  readonly version: string;
  /** The digest of the contracts that it serves. */
  readonly contract: string;
}

/** How a silo treats those who call its public routes. */
export interface HttpPolicy {
  /** What its HTTP listener believes of requests. Default nothing. */
  readonly trust?: RequestTrust;
  /** How it sets the session cookie. Default for the very host, and Secure where the request was https. */
  readonly sessionCookie?: SessionCookieOptions;
  /** How many requests a minute it serves. Default that of packages/http. */
  readonly routeLimits?: RouteLimits;
}

/** Serves `/healthz`, `/readyz`, `/metrics` and `routes` at an http:// origin; port 0 lets the system choose. */
export function startSiloHttpServer(
  options: HttpPolicy & {
    address: string;
    silo: Silo;
    readiness: Readiness;
    /** What runs here, for `/healthz`. */
    build: Build;
    routes: readonly Mounted<PublicRoute<ServiceContext>, ServiceContext>[];
    internalRoutes?: readonly Mounted<InternalRoute<ServiceContext>, ServiceContext>[];
    gate: Gate;
    gateway?: HttpGateway | undefined;
    memory: AnswerMemory;
    logger: Logger;
    metrics: Metrics;
    now?: () => number;
  },
): Promise<HttpServer> {
  const { gateway, ...rest } = options;
  const version = options.build.version;
  return startHttpServer({ ...rest, ...(gateway && { gateway }), version, pages: createPages(options) });
}

function createPages(options: Parameters<typeof startSiloHttpServer>[0]): OperatorPage[] {
  const { silo, readiness, build, metrics, gateway } = options;
  return [
    { path: "/healthz", answer: async () => toJsonAnswer(200, { status: "alive", silo: silo.name, ...build }) },
    {
      path: "/readyz",
      async answer() {
        const report = await readiness.check();
        return toJsonAnswer(report.ready ? 200 : 503, {
          silo: silo.name,
          ...report,
          ...(gateway && { gateway: gateway.report() }),
        });
      },
    },
    createMetricsPage(metrics),
  ];
}
