import type { BlockList } from "node:net";
import {
  createEdgeIdentity,
  createSettingsReader,
  isOrigin,
  LABEL_PATTERN,
  LABEL_RULE,
  type SettingsReader,
  type Silo,
} from "@cellway/silo";
import type { LogLevel } from "@cellway/telemetry";
import type { Environment } from "./context.js";
import { DEFAULT_EDGE_LISTEN, DEFAULT_LOCALITY_URL } from "./edge-setting-list.js";
import { type EdgeLimits, readEdgeLimits, readOperatorToken, readPairs } from "./edge-settings.js";
import { readTrustedProxies, splitList } from "./http-config.js";
import type { LiveSetting } from "./live-setting.js";
import { type Warn, warnAboutUnknownSettings } from "./serve-config.js";
import { badSetting, readKeys, readLogLevel, readOrigin } from "./setting-readers.js";
import { DEFAULT_HTTP_LISTEN } from "./settings.js";

/** Everything that `serve --edge` is told, checked. */
export interface EdgeConfig {
  /** `us-router`. */
  readonly name: string;
  readonly identity: Silo;
  readonly controlAddress: string;
  readonly listen: string;
  readonly adminListen: string;
  readonly localities: readonly string[];
  readonly localityUrl: string;
  readonly hosts: ReadonlyMap<string, string>;
  readonly staticRoutes: ReadonlyMap<string, string>;
  readonly trustedProxies: BlockList;
  readonly routesFile: string | undefined;
  readonly limits: EdgeLimits;
  /** A secret. */
  readonly operatorToken: string | undefined;
  /** A secret: where the keys come from, already parsed once. */
  readonly keys: LiveSetting;
  readonly logLevel: LogLevel;
}

/** Reads the settings of `serve --edge`. @throws ConfigError that names the source, the key, the value and the rule. */
export function parseEdgeConfig(env: Environment, warn: Warn): EdgeConfig {
  warnAboutUnknownSettings(env, warn);
  const reader = createSettingsReader(env, warn);
  const name = reader.readOrThrow("CELLWAY_EDGE_NAME", `must be ${LABEL_RULE}`);
  if (!LABEL_PATTERN.test(name)) throw badSetting("CELLWAY_EDGE_NAME", name, `must be ${LABEL_RULE}`);
  const localities = readLocalities(reader);
  const listen = readOrigin(reader, "CELLWAY_EDGE_LISTEN", DEFAULT_EDGE_LISTEN);
  const adminListen = readOrigin(reader, "CELLWAY_HTTP_LISTEN", DEFAULT_HTTP_LISTEN);
  if (listen === adminListen && !listen.endsWith(":0"))
    throw badSetting(
      "CELLWAY_HTTP_LISTEN",
      adminListen,
      "must differ from CELLWAY_EDGE_LISTEN: metrics are not public",
    );
  return Object.freeze({
    name,
    identity: createEdgeIdentity(name),
    controlAddress: readControlAddress(reader),
    listen,
    adminListen,
    localities,
    localityUrl: readLocalityUrl(reader),
    hosts: readHosts(reader, localities),
    staticRoutes: readStaticRoutes(reader),
    trustedProxies: readTrustedProxies(reader, "CELLWAY_EDGE_TRUSTED_PROXIES"),
    routesFile: reader.read("CELLWAY_EDGE_ROUTES_FILE"),
    limits: readEdgeLimits(reader),
    operatorToken: readOperatorToken(reader),
    keys: readKeys(reader),
    logLevel: readLogLevel(reader),
  });
}

function readLocalities(reader: SettingsReader): string[] {
  const rule = `must name localities, each ${LABEL_RULE}, such as us,de`;
  const names = splitList(reader.readOrThrow("CELLWAY_EDGE_LOCALITIES", rule));
  const wrong = names.find((name) => !LABEL_PATTERN.test(name));
  if (names.length === 0 || wrong !== undefined) throw badSetting("CELLWAY_EDGE_LOCALITIES", wrong ?? "", rule);
  return [...new Set(names)];
}

function readControlAddress(reader: SettingsReader): string {
  const rule = "must be the http:// or https:// origin of control's RPC listener, without a path";
  const address = reader.readOrThrow("CELLWAY_CONTROL_RPC_ADDRESS", rule);
  if (!isOrigin(address)) throw badSetting("CELLWAY_CONTROL_RPC_ADDRESS", address, rule);
  return address;
}

function readLocalityUrl(reader: SettingsReader): string {
  const url = reader.read("CELLWAY_EDGE_LOCALITY_URL") ?? DEFAULT_LOCALITY_URL;
  if (!url.includes("{locality}") || !isOrigin(url.replaceAll("{locality}", "us"))) {
    const rule =
      "must be a lower-case http:// or https:// origin with {locality} in it, such as https://{locality}.example.com";
    throw badSetting("CELLWAY_EDGE_LOCALITY_URL", url, rule);
  }
  return url;
}

function readHosts(reader: SettingsReader, localities: readonly string[]): Map<string, string> {
  const rule = `must be host=locality, each locality one of ${localities.join(", ")}`;
  return readPairs(reader, "CELLWAY_EDGE_HOSTS", (host, locality) => {
    return /^[a-z0-9.-]+$/.test(host) && localities.includes(locality) ? undefined : rule;
  });
}

function readStaticRoutes(reader: SettingsReader): Map<string, string> {
  const rule = "must be /path/=cell: a path that begins and ends with a slash, and the name of a cell";
  return readPairs(reader, "CELLWAY_EDGE_STATIC_ROUTES", (path, cell) => {
    return /^\/(?:[A-Za-z0-9._~-]+\/)+$/.test(path) && LABEL_PATTERN.test(cell) ? undefined : rule;
  });
}
