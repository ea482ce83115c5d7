import {
  createEdgeHandlers,
  type EdgeHandlers,
  INGEST_LISTENER,
  type RouterOptions,
  type RunningRouter,
  startRouter,
} from "@cellway/http";
import {
  CORS_HEADERS,
  PREFLIGHT_HEADERS,
  parseIngestPath,
  type RelayCredentials,
  type RelayKeys,
} from "@cellway/ingest-protocol";
import {
  DEFAULT_PROJECT_CONFIG_LIMITS,
  type ProjectConfigContext,
  type ProjectConfigLimits,
} from "./project-configs/context.js";
import { routeEnvelope } from "./route-envelope.js";
import { createScopes, type ScopeRules } from "./scope.js";
import { serveRelay } from "./serve-relay.js";

/** What an ingest router is made of. */
export interface IngestRouterOptions extends RouterOptions, ScopeRules {
  /** Relays that may ask for project configurations. Default: nobody may. */
  readonly relays?: RelayKeys;
  /** As whom the router asks cells, which must trust it. Without it every key that is asked for is pending. */
  readonly credentials?: RelayCredentials;
  readonly configLimits?: Partial<ProjectConfigLimits>;
}

/** Starts a router: it serves at once, and answers 503 for keys that it does not know while control does not answer. */
export function startIngestRouter(options: IngestRouterOptions): Promise<RunningRouter> {
  const { metrics, logger, relays = new Map(), credentials } = options;
  return startRouter(options, (edge, locator) =>
    createHandlers({
      ...edge,
      locator,
      listener: INGEST_LISTENER,
      scopes: createScopes(options),
      relays,
      credentials,
      configLimits: { ...DEFAULT_PROJECT_CONFIG_LIMITS, ...options.configLimits },
      metrics,
      logger,
    }),
  );
}

function createHandlers(ctx: ProjectConfigContext): EdgeHandlers {
  const envelopes = createEdgeHandlers((req) => routeEnvelope(ctx, req), ctx);
  return {
    onUpgrade: envelopes.onUpgrade,
    onRequest(req, res) {
      const target = req.url ?? "/";
      if (serveRelay(ctx, req, res)) return;
      // Also of problems a browser shows nothing without them; a cell's own replace them.
      for (const [name, value] of Object.entries(CORS_HEADERS)) res.setHeader(name, value);
      // A preflight has no key: no cell could be found for it.
      if (req.method === "OPTIONS" && parseIngestPath(target) !== undefined) {
        res.writeHead(204, PREFLIGHT_HEADERS).end();
        return;
      }
      envelopes.onRequest(req, res);
    },
  };
}
