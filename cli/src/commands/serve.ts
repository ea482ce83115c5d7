import { createEdgeFeedKeys, type EdgeFeedKeys, parseEdgeFeedKeys } from "@cellway/directory";
import { migrateSilo, startSilo } from "@cellway/host";
import {
  createCellKeyRing,
  createHttpNetwork,
  createMasterKeyRing,
  createMethodSwitch,
  DEFAULT_LIMITS,
  type KeyRing,
  type MethodSwitch,
} from "@cellway/rpc";
import { createLogger, createMetrics, type Logger } from "@cellway/telemetry";
import type { CommandContext } from "../context.js";
import { CONTRACTS } from "../contracts.js";
import { EXIT_OK, UsageError } from "../errors.js";
import { parseIngestConfig } from "../ingest-config.js";
import { followSetting, type LiveFollower } from "../live-setting.js";
import { createModules } from "../modules.js";
import { parseMethodList, parseServeConfig, type ServeConfig } from "../serve-config.js";
import { parseKeyText } from "../setting-readers.js";
import type { EdgeKind, SiloKind } from "../silo-kinds.js";
import { waitForStop } from "../stop-request.js";
import { VERSION } from "../version.js";
import { runServeEdge } from "./serve-edge.js";

/** Options of `cellway serve`. */
export interface ServeCommandOptions {
  /** One of the two. */
  readonly silo?: SiloKind;
  readonly edge?: EdgeKind;
  readonly migrate?: boolean;
}

/** For how long calls in flight may finish after a request to stop. */
const GRACE_MS = 3_000;
/** After this the process ends whatever it waits for. */
const STOP_MAX_MS = 4_500;
/** The same when the supervisor has gone, and the database most likely with it. */
const ORPHAN_GRACE_MS = 1_000;

/** Runs a silo, or a process at the edge, until it is told to stop. */
export async function runServe(options: ServeCommandOptions, ctx: CommandContext): Promise<number> {
  const { silo, edge, migrate } = options;
  if (silo !== undefined && edge === undefined)
    return runServeSilo({ silo, ...(migrate === true && { migrate }) }, ctx);
  if (silo !== undefined || edge === undefined) throw new UsageError("serve: say what with one of --silo and --edge.");
  if (migrate === true) throw new UsageError("serve --edge: a router has no database; leave --migrate out.");
  return runServeEdge(edge, ctx);
}

async function runServeSilo(options: { silo: SiloKind; migrate?: boolean }, ctx: CommandContext): Promise<number> {
  const warnings: string[] = [];
  const config = parseServeConfig(options.silo, ctx.env, CONTRACTS, (message) => warnings.push(message));
  const ingest = parseIngestConfig(ctx.env, (message) => warnings.push(message));
  const logger = createLogger({ silo: config.silo.name, level: config.logLevel });
  for (const message of warnings) logger.warn(message);
  const stopping = waitForStop(ctx, logger, STOP_MAX_MS);
  const keys = createKeys(config);
  const methodSwitch = createMethodSwitch(
    config.disabledMethods === undefined
      ? []
      : parseMethodList(config.disabledMethods.text, config.disabledMethods.source, CONTRACTS),
  );
  const edgeFeedKeys = createEdgeFeedKeys(
    config.edgeFeedKeys === undefined ? [] : parseEdgeFeedKeys(config.edgeFeedKeys.text, config.edgeFeedKeys.source),
  );
  const gateway = { ...config.gateway, ...config.trust };
  const modules = createModules({ edgeFeedKeys, ingest, gateway, sessions: config.sessions });
  if (options.migrate === true) {
    const applied = await migrateSilo({ ...config, modules, phase: "expand" });
    logger.info({ applied: applied.map(({ service, name }) => `${service}/${name}`) }, "the database is migrated");
  }
  const limits = { ...DEFAULT_LIMITS, messageMaxBytes: config.messageMaxBytes };
  const followers = followSettings(config, { keys, methodSwitch, edgeFeedKeys, logger });
  ctx.process.onSignal(["SIGHUP"], () => {
    for (const follower of followers) follower.reload();
  });
  const network = createHttpNetwork(limits);
  const metrics = createMetrics({ silo: config.silo.name });
  const silo = await startSilo(
    { ...config, version: VERSION, keys, methodSwitch, network, logger, metrics, limits },
    modules,
  );
  const why = await stopping;
  logger.info({ why }, "the silo stops");
  for (const follower of followers) follower.stop();
  await silo.stop({ graceMs: why === "orphaned" ? ORPHAN_GRACE_MS : GRACE_MS });
  await network.close();
  return EXIT_OK;
}

function createKeys(config: ServeConfig): KeyRing {
  const keys = parseKeyText(config.keys);
  return config.silo.mode === "CELL" ? createCellKeyRing(config.silo.name, keys) : createMasterKeyRing(keys);
}

/** Keys and switched-off methods change without a restart. A file that is wrong changes nothing. */
function followSettings(
  config: ServeConfig,
  parts: { keys: KeyRing; methodSwitch: MethodSwitch; edgeFeedKeys: EdgeFeedKeys; logger: Logger },
): LiveFollower[] {
  const { keys, disabledMethods, edgeFeedKeys } = config;
  const { logger } = parts;
  const followers = [
    followSetting(keys, {
      setting: "CELLWAY_RPC_KEYS_FILE",
      apply: (text) => parts.keys.replace(parseKeyText(keys, text)),
      logger,
    }),
  ];
  if (disabledMethods !== undefined) {
    followers.push(
      followSetting(disabledMethods, {
        setting: "CELLWAY_RPC_DISABLED_METHODS_FILE",
        apply: (text) => parts.methodSwitch.replace(parseMethodList(text, disabledMethods.source, CONTRACTS)),
        logger,
      }),
    );
  }
  if (edgeFeedKeys !== undefined) {
    followers.push(
      followSetting(edgeFeedKeys, {
        setting: "CELLWAY_EDGE_FEED_KEYS_FILE",
        apply: (text) => parts.edgeFeedKeys.replace(parseEdgeFeedKeys(text, edgeFeedKeys.source)),
        logger,
      }),
    );
  }
  return followers;
}
