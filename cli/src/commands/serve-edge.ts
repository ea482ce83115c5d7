import { startIngestRouter } from "@cellway/ingest-router";
import { startLocalityRouter } from "@cellway/locality-router";
import { createCellKeyRing, createHttpNetwork, createRpcRuntime, DEFAULT_LIMITS } from "@cellway/rpc";
import { createLogger, createMetrics } from "@cellway/telemetry";
import type { CommandContext } from "../context.js";
import { type EdgeConfig, parseEdgeConfig } from "../edge-config.js";
import { EXIT_OK } from "../errors.js";
import { parseIngestRouterConfig } from "../ingest-config.js";
import { followSetting } from "../live-setting.js";
import { parseKeyText } from "../setting-readers.js";
import type { EdgeKind } from "../silo-kinds.js";
import { waitForStop } from "../stop-request.js";
import { VERSION } from "../version.js";

/** For how long requests in flight may finish after a request to stop: uploads and downloads take their time. */
const GRACE_MS = 20_000;
/** The same when the supervisor has gone: what it ran is about to be started again at the same ports. */
const ORPHAN_GRACE_MS = 1_000;
/** After this the process ends whatever it waits for. */
const STOP_MAX_MS = 25_000;

/** Runs a router until it is told to stop. */
export async function runServeEdge(kind: EdgeKind, ctx: CommandContext): Promise<number> {
  const warnings: string[] = [];
  const warn = (message: string) => void warnings.push(message);
  const config = parseEdgeConfig(ctx.env, warn);
  const start = kind === "ingest-router" ? createIngestStart(config, ctx, warn) : createLocalityStart(config);
  const { identity } = config;
  const logger = createLogger({ silo: identity.name, level: config.logLevel });
  for (const message of warnings) logger.warn(message);
  const stopping = waitForStop(ctx, logger, STOP_MAX_MS);
  const keys = createCellKeyRing(identity.name, parseKeyText(config.keys));
  const follower = followSetting(config.keys, {
    setting: "CELLWAY_RPC_KEYS_FILE",
    apply: (text) => keys.replace(parseKeyText(config.keys, text)),
    logger,
  });
  ctx.process.onSignal(["SIGHUP"], () => follower.reload());
  const network = createHttpNetwork(DEFAULT_LIMITS);
  const metrics = createMetrics({ silo: identity.name });
  const { controlAddress } = config;
  const rpc = createRpcRuntime({ silo: identity, network, keys, logger, metrics, controlAddress, version: VERSION });
  const router = await start({ rpc, logger, metrics });
  logger.info({ address: router.address, admin_address: router.adminAddress }, "the router serves");
  const why = await stopping;
  logger.info({ why }, "the router stops");
  follower.stop();
  await router.stop({ graceMs: why === "orphaned" ? ORPHAN_GRACE_MS : GRACE_MS });
  await network.close();
  return EXIT_OK;
}

type Parts = Pick<Parameters<typeof startLocalityRouter>[0], "rpc" | "logger" | "metrics">;

/** What every router is told. */
function commonOf(config: EdgeConfig) {
  const {
    name,
    localities,
    localityUrl,
    hosts,
    trustedProxies,
    listen,
    adminListen,
    limits,
    operatorToken,
    routesFile,
  } = config;
  return {
    name,
    localities,
    localityUrl,
    hosts,
    trustedProxies,
    listen,
    adminListen,
    limits,
    ...(operatorToken !== undefined && { operatorToken }),
    ...(routesFile !== undefined && { disk: { path: routesFile } }),
  };
}

function createLocalityStart(config: EdgeConfig) {
  return (parts: Parts) => startLocalityRouter({ ...commonOf(config), ...parts, staticRoutes: config.staticRoutes });
}

/** @throws ConfigError */
function createIngestStart(config: EdgeConfig, ctx: CommandContext, warn: (message: string) => void) {
  const own = parseIngestRouterConfig(ctx.env, warn);
  return (parts: Parts) => startIngestRouter({ ...commonOf(config), ...parts, ...own });
}
